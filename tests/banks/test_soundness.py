"""Whether a bank would be refused is told of the bank that lies there, also where it is exchanged meanwhile."""

import shutil
from pathlib import Path

import pytest
from banks import copy_of, exchanged_after

from inspector.banks import soundness
from inspector.banks.soundness import why_refused
from inspector.exchange import exchange


def test_what_was_found_of_a_bank_that_came_meanwhile_is_not_said_of_the_one_before(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copy_of(bank, tmp_path)
    damaged = Path(shutil.copytree(bank, tmp_path / "damaged"))
    (damaged / "memory.safetensors").write_bytes(b"damaged")
    monkeypatch.setattr(soundness, "_stamps", exchanged_after(soundness._stamps, place, damaged))
    assert "memory.safetensors has sha256" in str(why_refused(place))
    exchange(place, damaged)
    assert why_refused(place) is None
