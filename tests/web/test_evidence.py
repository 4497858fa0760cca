"""What a browser gets to see of a frame: its picture upright, small and whole, and why it was flagged."""

import hashlib
import io
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from banks import change_manifest, copy_of
from line import drawn_part
from pages import asked, say
from pictures import grey_png
from PIL import Image
from playwright.sync_api import Page, Route
from review_site import ReviewSite, running_site

from inspector.bank import file_sha256
from inspector.banks.shelf import Shelf
from inspector.manifest import read_manifest
from inspector.pipeline import Pipeline
from inspector.types import UInt8Image
from inspector.web import evidence

Visit = Callable[..., Page]

TURNED_RIGHT = 6


@pytest.fixture(scope="module")
def part() -> UInt8Image:
    decoded = cv2.imdecode(np.frombuffer(drawn_part(1, scratched=True), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(decoded, np.uint8)


def seen(site: ReviewSite, frame: int, what: str) -> Image.Image:
    with site.client() as olga:
        answer = olga.get(f"/frame/{frame}/{what}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"].startswith("private")
    picture = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == Image.MIME[picture.format or ""]
    return picture


def test_a_tiff_is_shown_as_png(site: ReviewSite, part: UInt8Image) -> None:
    tiff = cv2.imencode(".tiff", part)[1].tobytes()
    picture = seen(site, site.add(tiff, suffix="tiff"), "picture")
    assert (picture.format, picture.size) == ("PNG", (96, 96))
    assert np.array_equal(np.asarray(picture), part[..., ::-1])


def test_a_picture_that_says_it_lies_on_its_side_stands_upright(site: ReviewSite, part: UInt8Image) -> None:
    wide = Image.fromarray(part[20:76, :, ::-1])
    exif = Image.Exif()
    exif[0x0112] = TURNED_RIGHT
    payload = io.BytesIO()
    wide.save(payload, "JPEG", exif=exif, quality=95)
    frame = site.add(payload.getvalue(), suffix="jpg")
    assert seen(site, frame, "picture").size == (56, 96)
    assert seen(site, frame, "thumbnail").size == (56, 96)
    with site.client() as olga:
        assert 'viewBox="0 0 56 96"' in olga.get(f"/frame/{frame}").text


def test_a_thumbnail_lies_as_the_frame_was_inspected(site: ReviewSite, part: UInt8Image) -> None:
    """Pillow would turn it by XMP; the decoder does not."""
    payload = io.BytesIO()
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    Image.fromarray(part[20:76, :, ::-1]).save(payload, "JPEG", xmp=xmp)
    frame = site.add(payload.getvalue(), suffix="jpg")
    assert seen(site, frame, "picture").size == seen(site, frame, "thumbnail").size == (96, 56)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_thumbnail_is_small_and_shows_the_regions(site: ReviewSite, part: UInt8Image, suffix: str) -> None:
    large = cv2.resize(part, (1800, 1200))
    frame = site.add(cv2.imencode(f".{suffix}", large)[1].tobytes(), suffix=suffix)
    small = seen(site, frame, "thumbnail")
    assert small.format == "JPEG"
    assert small.size == (400, 267)
    red, _, blue = np.asarray(small, np.int16).transpose(2, 0, 1)
    assert ((red - blue) > 150).sum() > 100


def test_a_frame_larger_than_pillow_opens_has_its_page(site: ReviewSite) -> None:
    frame, picture = site.add(), grey_png(16_000, 11_500)
    digest = hashlib.sha256(picture).hexdigest()
    site.archive.keep(digest, picture, "png")
    with site.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE frames SET sha256 = '{digest}' WHERE id = {frame}")
    with site.client() as olga:
        assert olga.get(f"/frame/{frame}").status_code == 200
        answer = olga.get(f"/frame/{frame}/picture")
    assert (answer.status_code, answer.content) == (200, picture)


def test_the_map_lies_over_what_was_inspected(site: ReviewSite) -> None:
    frame = site.add()
    assert seen(site, frame, "map").mode == "RGBA"
    with site.client() as olga:
        near = olga.get(f"/frame/{frame}/nearest").text
    assert 'data-x="0" data-y="0" data-width="96" data-height="96"' in near


def test_maps_are_kept_by_what_they_weigh(site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a map at 4096x4096 that is near the threshold all over, two hundred would be gigabytes."""
    drawn: list[int] = []
    monkeypatch.setattr(evidence, "render_png", lambda *_: drawn.append(1) or bytes(25_000_000))
    frames = [site.add(drawn_part(number, scratched=True)) for number in (61, 62, 63)]
    with site.client() as olga:
        for frame in (*frames, *frames[1:]):
            assert len(olga.get(f"/frame/{frame}/map").content) == 25_000_000
        assert len(drawn) == 3, "the last two are kept"
        olga.get(f"/frame/{frames[0]}/map")
        assert len(drawn) == 4, "the first has made room"


def test_the_bank_of_that_time_explains_also_after_another_was_promoted(tmp_path: Path, bank: Path) -> None:
    mine, other = (Path(shutil.copytree(bank, tmp_path / name / "tile")) for name in ("banks", "candidate"))
    change_manifest(other, lambda manifest: manifest["calibration"].update(ng=manifest["calibration"]["ng"] * 2))
    with running_site(tmp_path, mine) as site, site.client() as olga:
        frame = site.add()
        before = olga.get(f"/frame/{frame}/nearest").text
        Shelf(mine).promote(other, by="emil")
        assert olga.get(f"/frame/{frame}/nearest").text == before
    with running_site(tmp_path, mine) as site, site.client() as olga:
        assert olga.get(f"/frame/{frame}/nearest").text == before
        shutil.rmtree(Shelf(mine).folder)
    with running_site(tmp_path, mine) as site, site.client() as olga:
        assert "The bank of that time is no longer here." in olga.get(f"/frame/{frame}/nearest").text
        assert olga.get(f"/frame/{frame}/picture").status_code == 200


def test_reasons_that_come_when_the_page_is_being_left_are_no_fault(site: ReviewSite, visit: Visit) -> None:
    site.decide_all()
    frame = site.add()
    page = visit("olga", "/")
    reasons: list[Route] = []
    leaving: list[Route] = []
    page.route("**/nearest?*", lambda route: reasons.append(route))
    page.goto(f"/frame/{frame}")
    page.route(re.compile(r"/(\?.*)?$"), lambda route: leaving.append(route))
    asked(page, reasons)
    say(page, "d")
    asked(page, leaving)
    with page.expect_response("**/nearest?*"):
        reasons[0].continue_()
    page.wait_for_timeout(200)  # `visit` fails on any script error
    leaving[0].continue_()
    page.wait_for_url(re.compile(r"/(\?.*)?$"))


def test_small_pictures_of_a_bank_are_shown_without_opening_it(
    site: ReviewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "open", lambda *_args, **_more: 1 / 0)
    bank = site.settings.stations[0].bank
    digest = file_sha256(bank / "manifest.json")
    small = read_manifest(bank).samples[1].thumbnail
    with site.client() as olga:
        assert olga.get(f"/bank-sample/{digest}/1").content == (bank / "samples" / small).read_bytes()
        assert olga.get(f"/bank-sample/{digest}/9999").status_code == 404


def test_thumbnails_are_drawn_one_at_a_time(site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser asks for six at once, which would take all cores from the line."""
    at_once, most, shrunk = [0], [0], evidence.shrunk

    def watched(*given: Any) -> Any:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.05)
        try:
            return shrunk(*given)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(evidence, "shrunk", watched)
    frames = [site.add(drawn_part(number, scratched=True)) for number in range(4)]
    with site.client() as olga, ThreadPoolExecutor(4) as browser:
        answers = list(browser.map(lambda frame: olga.get(f"/frame/{frame}/thumbnail"), frames))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert most == [1]


@pytest.mark.parametrize("made", ["a link", "other bytes", "a folder elsewhere", "not in the manifest"])
def test_a_small_picture_that_is_not_the_banks_own_is_not_shown(bank: Path, tmp_path: Path, made: str) -> None:
    """Of a bank beside the one in use, which nobody has verified: what it points to may be the ledger."""
    mine = Path(shutil.copytree(bank, tmp_path / "banks" / "tile"))
    with running_site(tmp_path, mine) as site, site.client() as olga:
        secret = tmp_path / "elsewhere" / "000001.jpg"
        other = copy_of(mine, tmp_path / "banks")
        small = other / "samples" / read_manifest(other).samples[1].thumbnail
        shutil.copytree(small.parent, secret.parent)
        if made == "a link":
            small.unlink()
            small.symlink_to(secret)
        elif made == "other bytes":
            small.write_bytes(b"of somebody else")
        elif made == "a folder elsewhere":
            shutil.rmtree(small.parent)
            small.parent.symlink_to(secret.parent)
        else:
            change_manifest(other, lambda manifest: manifest["files"].pop(f"samples/{small.name}"))
        change_manifest(other, lambda manifest: manifest.update(seed=77))
        digest = file_sha256(other / "manifest.json")
        answer = olga.get(f"/bank-sample/{digest}/1")
        assert answer.status_code == 404
        assert "picture cannot be read." in answer.text
