"""Folders of pictures with links in them: each picture once, by the name of where it lies."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inspector import folder as folders
from inspector.folder import contents_of


@pytest.fixture(params=["as listed", "the other way"], autouse=True)
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems list folders in any order."""
    walk = os.walk

    def turned(*args: Any, **options: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for where, below, names in walk(*args, **options):
            below.sort(reverse=request.param == "the other way")
            yield where, below, names

    monkeypatch.setattr(folders.os, "walk", turned)


def found(folder: Path) -> list[str]:
    return [picture.relative_to(folder).as_posix() for picture in contents_of(folder).pictures]


def picture(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


@pytest.mark.parametrize("link", ["alias", "zalias"])
def test_a_link_to_a_folder_beside_it_does_not_rename_what_lies_there(tmp_path: Path, link: str) -> None:
    picture(tmp_path / "scratch" / "0.png")
    (tmp_path / link).symlink_to("scratch")
    assert found(tmp_path) == ["scratch/0.png"]


def test_samples_keep_their_names_when_a_link_moves_on(tmp_path: Path) -> None:
    for day in ("2026-05-01", "2026-05-02"):
        picture(tmp_path / day / "0.png")
    seen = []
    for day in ("2026-05-01", "2026-05-02"):
        (tmp_path / "days").unlink(missing_ok=True)
        (tmp_path / "days").symlink_to(day)
        seen.append(found(tmp_path))
    assert seen == [["2026-05-01/0.png", "2026-05-02/0.png"]] * 2


def test_what_only_links_lead_to_is_found_once_by_the_first_of_them(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "deep" / "0.png")
    inside = tmp_path / "inside"
    inside.mkdir()
    for name in ("b", "a"):
        (inside / name).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(inside)
    assert found(inside) == ["a/deep/0.png"]
    (tmp_path / "here").symlink_to(inside)
    assert found(tmp_path / "here") == ["a/deep/0.png"]
