"""Which frames operators are asked about, and where their pictures are."""

import hashlib
import os
from pathlib import Path

import pytest

from inspector.line.health import Health
from inspector.line.triage import Choice, Triage, drawn
from inspector.store import Archive
from inspector.types import Decision

DIGESTS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
PICTURE = b"\xff\xd8\xff picture"


def triage(folder: Path, *, sample_rate: float = 0.0, spare_bytes: int = 0) -> tuple[Triage, Health]:
    health = Health()
    archive = Archive(folder, spare_bytes=spare_bytes)
    return Triage(archive, health, sample_rate=sample_rate), health


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.5, 1.0])
def test_the_sample_is_as_large_as_was_asked_for(rate: float) -> None:
    share = sum(drawn(digest, rate) for digest in DIGESTS) / len(DIGESTS)
    assert abs(share - rate) <= 4 * (rate * (1 - rate) / len(DIGESTS)) ** 0.5


def test_the_sample_is_spread_over_the_folders_and_grows_with_its_rate() -> None:
    small = {digest for digest in DIGESTS if drawn(digest, 0.02)}
    assert len({digest[:1] for digest in small}) == 16
    assert small <= {digest for digest in DIGESTS if drawn(digest, 0.05)}


def test_what_is_flagged_is_asked_about_with_its_picture(tmp_path: Path) -> None:
    keep, _ = triage(tmp_path)
    for decision, digest in ((Decision.NG, "a" * 64), (Decision.UNCERTAIN, "b" * 64)):
        asked = keep.choose(decision, 3.0, 2.0, sha256=digest, image=PICTURE)
        assert asked == Choice(queued=True, sampled=False, image="jpg", score_ratio=1.5)
        assert keep.archive.read(digest, "jpg") == PICTURE


def test_what_is_ok_leaves_nothing_behind_unless_it_is_drawn(tmp_path: Path) -> None:
    keep, _ = triage(tmp_path / "frames")
    assert keep.choose(Decision.OK, 1.0, 2.0, sha256="a" * 64, image=PICTURE) == Choice()
    assert not (tmp_path / "frames").exists()
    drawing, _ = triage(tmp_path / "frames", sample_rate=1.0)
    asked = drawing.choose(Decision.OK, 1.0, 2.0, sha256="a" * 64, image=PICTURE)
    assert asked == Choice(queued=True, sampled=True, image="jpg", score_ratio=0.5)


def test_a_threshold_of_nought_divides_nothing(tmp_path: Path) -> None:
    keep, _ = triage(tmp_path)
    assert keep.choose(Decision.NG, 3.0, 0.0, sha256="a" * 64, image=PICTURE).score_ratio == 3.0


def test_the_last_of_the_disk_is_left_to_the_ledger(tmp_path: Path) -> None:
    keep, health = triage(tmp_path / "frames", spare_bytes=10**18)
    asked = keep.choose(Decision.NG, 3.0, 2.0, sha256="a" * 64, image=PICTURE)
    assert asked == Choice(queued=True, image=None, score_ratio=1.5)
    assert "which are left to the ledger" in health.warnings()["archive"]
    assert health.ready


def test_a_disk_that_fills_further_is_not_told_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Other programs write too, and the log lies on the same disk as a rule."""
    keep, _ = triage(tmp_path / "frames", spare_bytes=10**18)
    for number, digest in enumerate("abc"):
        keep.choose(Decision.NG, 3.0, 2.0, sha256=digest * 64, image=PICTURE)
        with (tmp_path / f"{number}").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 8_000_000)
    assert [record.message for record in caplog.records] == ["warning"]
