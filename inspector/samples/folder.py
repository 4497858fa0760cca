"""The good samples of one station, and what a person decided about them.

data_dir/samples/SITE/AREA/LINE/STATION/
    good/           what a calibration takes
    left_out/       what somebody looked at and left out
    recipe.yaml     where to look, as it was drawn; a recipe like any other, for `calibrate --recipe` too. Without it
                    the next bank looks as the one in use
    collection.json how far a collection is, and how the last one ended: `inspector.samples.collection`
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Final
from unicodedata import category

import yaml
from pydantic import ValidationError

from inspector import recipe as recipes
from inspector.durable import sync_dir, write_file
from inspector.errors import RecipeError, SamplesError
from inspector.folder import CONTENT_TYPES, image_files
from inspector.problem import explain
from inspector.recipe import Recipe
from inspector.roi import Roi
from inspector.samples.naming import digest_of, name_of, named_digest

MOST: Final = 5000
"""How many samples a station may have, those left out included: so many of a megabyte are 5 GB."""

LONGEST: Final = 1000
"""Characters of a name that a page takes: folders and file."""

_PART = 255
"""Bytes of a part of a name: longer ones no disk has."""


class FullError(SamplesError):
    """A station has as many samples as it may have."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture: its path below the folder, its size in bytes, and whether somebody left it out."""

    name: str
    size: int
    left_out: bool


class SampleFolder:
    """What lies in the folder of one station. Nothing is made before something is written.

    A sample is what a calibration takes for one, also where somebody copied it there by hand: at any depth, whatever
    its name. Its name here is its path below `good` or `left_out`.

    in_use: gives the recipe of the bank in use, which counts where nothing was drawn; None: there is no bank.
    """

    def __init__(self, data_dir: Path, station: str, *, in_use: Callable[[], Recipe | None] = lambda: None) -> None:
        self.folder = data_dir / "samples" / station
        self.good = self.folder / "good"
        self.left_out = self.folder / "left_out"
        self.recipe_file = self.folder / "recipe.yaml"
        self.collection_file = self.folder / "collection.json"
        self._in_use = in_use

    def samples(self) -> list[Sample]:
        """All of them by name, which begins with the time of the frame: in the order of the line.

        Raises:
            SamplesError: a folder cannot be read, or a name in it is none that a page can say.
        """
        found = [*_listed(self.good, left_out=False), *_listed(self.left_out, left_out=True)]
        return sorted(found, key=lambda one: (one.name, one.left_out))

    def path(self, name: str) -> Path:
        """Where a sample lies now.

        Raises:
            SamplesError: there is none of this name.
        """
        for folder in (self.good, self.left_out):
            if _is_there(folder, name):
                return folder / name
        raise SamplesError(f"sample {name[:80]!r}: not there; expected the name of one in {self.folder}")

    def digests(self) -> set[str]:
        """How the digests of its pictures begin, by their names; also of those left out. Raises SamplesError."""
        return {digest for name in self._names() if (digest := named_digest(name)) is not None}

    def add(self, payload: bytes, at: datetime) -> str | None:
        """Writes a picture whose frame is of this time, unless it is there already, left out or not.

        Threads and processes may do so at once. Returns: its name; None: it was there.

        Raises:
            FullError: there are MOST.
            SamplesError: the folder cannot be read or written.
        """
        try:
            with self._adding():
                names = list(self._names())
                if digest_of(payload) in {named_digest(name) for name in names}:
                    return None
                self._refuse_full(names)
                name = name_of(payload, at)
                self.good.mkdir(exist_ok=True)
                write_file(self.good / name, payload)
                return name
        except OSError as error:
            raise _unwritable(self.good, error) from error

    def refuse_full(self) -> None:
        """Raises FullError: there are MOST, and none can be added; SamplesError: no folder can be made or read."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        self._refuse_full(list(self._names()))

    def leave_out(self, names: Iterable[str]) -> int:
        """No calibration takes these any more. Those that are gone or left out already do not count.

        Returns: how many were left out now.

        Raises:
            SamplesError: the folder cannot be written.
        """
        return self._move(names, self.good, self.left_out)

    def take_back(self, names: Iterable[str]) -> int:
        """What was left out is a sample again. Returns, Raises: as `leave_out`."""
        return self._move(names, self.left_out, self.good)

    def remove(self, left_out: Iterable[Sample]) -> int:
        """Deletes these of what was left out; how many. Raises SamplesError: they cannot be deleted."""
        gone = 0
        for one in left_out:
            try:
                (self.left_out / one.name).unlink()
            except FileNotFoundError:
                continue  # taken back since, or deleted
            except OSError as error:
                raise _unwritable(self.left_out, error) from error
            gone += 1
        return gone

    def recipe(self) -> Recipe:
        """What was drawn, or the recipe in use, or the default one. Raises RecipeError: the file holds none."""
        return recipes.load(self.recipe_file) if self.recipe_file.exists() else self._in_use() or Recipe()

    def look_at(self, region: Roi | None) -> None:
        """Writes where to look; None: everywhere. All else that the recipe says stays.

        Raises:
            RecipeError: the recipe that is there cannot be read, or does not go with the region.
            SamplesError: the folder cannot be written.
        """
        said = self.recipe().model_dump(exclude_defaults=True, exclude={"roi"})
        if region is not None:
            said["roi"] = region.model_dump(exclude_defaults=True)
        try:
            Recipe.model_validate(said)
        except ValidationError as error:
            why = "; ".join(explain(one, Recipe) for one in error.errors())
            raise RecipeError(f"recipe {self.recipe_file}: {why}") from error
        text = yaml.safe_dump(_plain(said), sort_keys=False, default_flow_style=None, width=120)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_file(self.recipe_file, text.encode())
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def _refuse_full(self, names: Sequence[str]) -> None:
        if len(names) >= MOST:
            raise FullError(
                f"{self.folder}: has {len(names)} samples, {MOST} is the most; delete those left out, or move some away"
            )

    def _names(self) -> Iterator[str]:
        """Names of their files alone, without a look at each: for whoever asks often."""
        for folder in (self.good, self.left_out):
            for _, below, names in os.walk(folder, onerror=_refuse_unreadable):
                below[:] = [each for each in below if not each.startswith(".")]
                yield from (each for each in names if Path(each).suffix.lower() in CONTENT_TYPES)

    @contextmanager
    def _adding(self) -> Iterator[None]:
        """One at a time: what is counted and compared is so until the picture is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "adding.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _move(self, names: Iterable[str], source: Path, target: Path) -> int:
        moved, changed = 0, set[Path]()
        try:
            for name in names:
                if _is_there(source, name):
                    place = target / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    (source / name).replace(_free(place))
                    changed |= {place.parent, (source / name).parent}
                    moved += 1
            for folder in changed:
                sync_dir(folder)
        except OSError as error:
            raise _unwritable(target, error) from error
        return moved


def _listed(folder: Path, *, left_out: bool) -> list[Sample]:
    found = []
    for path in _pictures(folder):
        name = path.relative_to(folder).as_posix()
        _refuse_unsayable(folder, name)
        try:
            found.append(Sample(name, path.stat().st_size, left_out))
        except FileNotFoundError:
            continue  # moved since
        except OSError as error:
            raise _unreadable(folder, error) from error
    return found


def _refuse_unsayable(folder: Path, name: str) -> None:
    """A browser cannot ask for a picture whose name is no text: nobody could look at it."""
    if len(name) > LONGEST or any(category(letter) in ("Cc", "Cs") for letter in name):
        shown = os.fsencode(name).decode(errors="replace")
        raise SamplesError(
            f"{folder}: the name {shown[:80]!r} is longer than {LONGEST} characters, or no text in UTF-8; "
            "rename it, or move it away"
        )


def _pictures(folder: Path) -> list[Path]:
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error
    return image_files(folder)


def _is_there(folder: Path, name: str) -> bool:
    """Whether a name is one of a sample in this folder: it comes from a browser, and may be anything."""
    parts = PurePosixPath(name).parts
    sound = "\0" not in name and all(not part.startswith(("/", ".")) for part in parts)
    short = all(len(os.fsencode(part)) <= _PART for part in parts)
    return sound and short and Path(name).suffix.lower() in CONTENT_TYPES and (folder / name).is_file()


def _free(place: Path) -> Path:
    """The place, or one beside it where another picture has it: two that somebody copied may have one name."""
    others = (place.with_stem(f"{place.stem}-{number}") for number in count(2))
    return place if not place.exists() else next(other for other in others if not other.exists())


def _plain(value: object) -> object:
    """Tuples as lists, which YAML has a word for."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _refuse_unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise _unreadable(Path(error.filename), error) from error


def _unreadable(folder: Path, error: OSError) -> SamplesError:
    return SamplesError(f"{folder}: cannot be read ({error.strerror}); make it readable for the service")


def _unwritable(folder: Path, error: OSError) -> SamplesError:
    return SamplesError(f"{folder}: cannot be written ({error.strerror}); make room, or make it writable")
