"""A folder that a camera writes pictures into, as a source without end: each picture once, in the order they came.

A picture is whole when it reaches the end that its format tells and has not changed for a moment. It stays in the
folder until the broker has it, so that a process that is killed begins again with it, under the same identity.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from inspector.camera.found_files import SETTLED_S, FoundFile, FoundFiles, Stage
from inspector.camera.look import FileState, Look, look
from inspector.camera.sent import Sent
from inspector.camera.source import Answer, Shot, SourceError, part_id_of, printable, without_password
from inspector.camera.whole import End, end_of
from inspector.errors import UsageError
from inspector.folder import CONTENT_TYPES
from inspector.told import Told

KEPT = 1000
"""How many published pictures stay, where nobody says how many."""

_LOOK_S = 0.25
_LOOKING = 0.1
"""The share of the time that looks take at most, where they are slow."""

_UNCHANGED_S = {End.SEEN: SETTLED_S, End.COUNTED: 3.0}
"""How long a file must not have changed. A file server may show only seconds later that one was written to."""

_AGAIN_S = 2.0
"""After what time a file is tried again that cannot be read, or not be taken away."""

_TOLD_AFTER_S = 10.0
_HELD_S = (1.0, 30.0)
_LARGEST = 128 * 1024**2


class WatchedFolder:
    """Pictures that lie in a folder and those that come, until `stop` is set.

    keep: how many published ones stay in its subfolder `sent`; None: a thousand, and a folder that was never watched
    and has more is refused. bridged: the broker has a picture also where nobody subscribes. patience_s: a file that has
    not changed for so long, and is no whole picture, is published as it is: the line then reports an error for it.

    Raises on entering:
        SourceError: the name is not that of a folder, or nothing can be taken out of it.
        UsageError: more pictures lie there than would be kept, and nobody said how many to keep.
    """

    def __init__(
        self,
        name: str,
        *,
        keep: int | None,
        bridged: bool,
        patience_s: float,
        stop: threading.Event,
        on_notice: Callable[[str], None],
    ) -> None:
        self._name = name
        self._folder = Path(name)
        self._keep = keep
        self._sent = Sent(self._folder, KEPT if keep is None else keep)
        self._taken = {Answer.TAKEN, Answer.UNHEARD} if bridged else {Answer.TAKEN}
        self._patience_s = patience_s
        self._stop = stop
        self._on_notice = on_notice
        self._told = Told(on_notice)
        self._files = FoundFiles()
        self._answers: queue.SimpleQueue[tuple[FoundFile, Answer]] = queue.SimpleQueue()
        self._numbered = self._in_flight = self._lost = 0
        self._foreign: dict[str, tuple[str, float]] = {}
        self._held_s = self._held_until = 0.0

    @property
    def fps(self) -> float | None:
        """The camera is the clock: a picture is sent when it is there."""
        return 0.0

    def __enter__(self) -> "WatchedFolder":
        other = "://" in self._name or self._name.isdigit() or self._name.partition(":")[0] == "synthetic"
        if other or (self._folder.exists() and not self._folder.is_dir()):
            raise SourceError(
                f"source {without_password(self._name)!r}: --watch expects a folder that a camera writes into"
            )
        if self._folder.is_dir():
            self._check()
        where, kept = printable(str(self._sent.place)), self._sent.keep
        after = f"move to {where}, where the last {kept} stay" if kept else "are deleted"
        self._on_notice(f"watching {printable(self._name)}; published pictures {after}")
        return self

    def __exit__(self, *exc: object) -> None:
        self._take_answers()

    def shots(self) -> Iterator[Shot]:
        """Each whole picture, oldest first. What the broker did not take comes again."""
        while not self._stop.is_set():
            began = time.monotonic()
            ready = self._look()
            pause_s = max(_LOOK_S, (time.monotonic() - began) / _LOOKING)
            for file in ready:
                if not self._may_send():
                    break
                try:
                    shot = self._shot(file)
                except FileNotFoundError:
                    self._tell_gone(file)
                    break  # the list is out of date
                if shot is not None:
                    yield shot
            self._wait(pause_s)

    def _check(self) -> None:
        """Before anything is published: whether files can be taken away, and whether somebody would miss them."""
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
            raise SourceError(
                f"source {self._name!r}: published pictures leave the folder, and it cannot be written to; "
                "give this user the right to write there"
            )
        if self._keep is not None or self._sent.place.exists():
            return
        if (there := len(look(self._folder).pictures)) > KEPT:
            raise UsageError(
                f"source {self._name!r}: has {there} pictures, and only the last {KEPT} that are published would be "
                "kept; say with --keep how many"
            )

    def _may_send(self) -> bool:
        """Whether the next picture may go: once one was not taken they go one by one, with pauses."""
        self._take_answers()
        while self._held_s and self._in_flight and not self._stop.is_set():
            self._wait(_LOOK_S)
        return not self._stop.is_set() and time.monotonic() >= self._held_until

    def _wait(self, seconds: float) -> None:
        """Deals with answers for this time, or until `stop` is set."""
        end = time.monotonic() + seconds
        while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            try:
                self._answered(*self._answers.get(timeout=min(left, _LOOK_S)))
            except queue.Empty:
                continue

    def _take_answers(self) -> None:
        while not self._answers.empty():
            self._answered(*self._answers.get())

    def _answered(self, file: FoundFile, answer: Answer) -> None:
        self._in_flight -= 1
        now = time.monotonic()
        if answer in self._taken:
            self._told.over("held", "pictures are taken again")
            self._held_s = self._held_until = 0.0
            file.stage = Stage.TAKEN
            self._clear_away([file])
        elif answer is Answer.GIVEN_UP:
            file.stage = Stage.GIVEN_UP
            self._on_notice(f"{self._shown(file.place)} stays and is passed over, until a restart")
        else:
            file.stage = Stage.WAITING
            why, but = "the broker refuses frames", ""
            if answer is Answer.UNHEARD:
                why, but = "nobody listens to this station", "; if the broker passes frames on by rules, say --bridged"
            self._told.once("held", f"{why}; pictures wait in {printable(self._name)}{but}")
            if now >= self._held_until:
                least, most = _HELD_S
                self._held_s = min(most, max(least, 2 * self._held_s))
                self._held_until = now + self._held_s

    def _look(self) -> list[FoundFile]:
        """What may be read now, in order."""
        try:
            seen = look(self._folder)
        except OSError as error:
            self._told.once(
                "away", f"cannot read {printable(self._name)} ({error.strerror}); waiting until that is possible"
            )
            return []
        self._told.over("away", f"{printable(self._name)} can be read")
        now = time.monotonic()
        self._files.seen(seen.pictures, now)
        self._tell_of_others(seen, now)
        self._clear_away(each for each in self._files.taken(now) if each.place in seen.pictures)
        return self._files.ready(now)

    def _tell_of_others(self, seen: Look, now: float) -> None:
        for where, why in seen.closed.items():
            self._told.once(("closed", where), f"cannot read {self._shown(where)} ({why}); what lies there waits")
        for name, where in seen.masks.items():
            self._told.once(
                ("masks", name),
                f"{self._shown(where)} is left alone, and so is what is named like it: it is for masks, not frames",
            )
        before = self._foreign
        self._foreign = {suffix: (place, now) for suffix, place in seen.foreign.items()}
        for suffix, (place, since) in before.items():
            if seen.foreign.get(suffix) == place:
                self._foreign[suffix] = (place, since)
                if now - since > _TOLD_AFTER_S:
                    self._told.once(
                        ("foreign", suffix),
                        f"{self._shown(place)} is left alone, and so is what is named like it; "
                        f"pictures end in {' '.join(CONTENT_TYPES)}",
                    )

    def _tell_gone(self, file: FoundFile) -> None:
        if os.path.isdir(self._folder):  # noqa: PTH112 (Path.is_dir raises where a share is broken)
            self._on_notice(f"{self._shown(file.place)} went away before it was published")

    def _shot(self, file: FoundFile) -> Shot | None:
        """The picture, if it is whole or has been waited for long enough. Raises FileNotFoundError: it is gone."""
        image = self._read(file)
        if image is None or not self._worth_sending(file, image):
            return None
        if file.identity is None:
            file.identity = file.identify(image, self._numbered)
            self._numbered += 1
        else:
            file.identity = replace(file.identity, again=True)
        file.stage = Stage.SENT
        self._in_flight += 1
        lost, self._lost = self._lost, 0
        return Shot(
            image,
            CONTENT_TYPES[Path(file.place).suffix.lower()],
            part_id_of(file.place),
            lost=lost,
            identity=file.identity,
            on_answer=lambda answer: self._answers.put((file, answer)),
        )

    def _read(self, file: FoundFile) -> bytes | None:
        """The bytes, unless they changed since the look or cannot be read now."""
        if file.state.size > _LARGEST:
            file.stage = Stage.GIVEN_UP
            self._numbered += 1
            self._lost += 1
            self._on_notice(
                f"{self._shown(file.place)} has {file.state.size} bytes, expected at most {_LARGEST}; "
                "it stays and is passed over"
            )
            return None
        try:
            with self._path(file).open("rb") as stream:
                before = FileState.of(os.fstat(stream.fileno()))
                image = stream.read(_LARGEST)
                after = FileState.of(os.fstat(stream.fileno()))
        except FileNotFoundError:
            raise
        except OSError as error:  # as long as it is written to, some shares let nobody else read it
            now = time.monotonic()
            file.due = now + _AGAIN_S
            if now > file.since + _TOLD_AFTER_S:
                self._told.once(
                    ("unreadable", file.place),
                    f"cannot read {self._shown(file.place)} ({error.strerror}); it waits until that is possible",
                )
            return None
        return image if before == after == file.state else None  # what changed is new to the next look

    def _worth_sending(self, file: FoundFile, image: bytes) -> bool:
        """Whether it has not changed for as long as its end asks for."""
        end = end_of(image)
        unchanged_s = self._patience_s if end is End.MISSING else _UNCHANGED_S[end]
        if time.monotonic() < file.since + unchanged_s:
            file.due = file.since + unchanged_s
            return False
        if end is End.MISSING:
            self._on_notice(
                f"{self._shown(file.place)} is no whole picture, and has not changed for {unchanged_s:.0f} s; "
                "published as it is, for the line to report"
            )
        return True

    def _clear_away(self, taken: Iterable[FoundFile]) -> None:
        """Takes files out of the folder that the broker has; once one stays, the others another time."""
        for file in taken:
            path = self._path(file)
            try:
                if FileState.of(path.lstat()) == file.state:
                    assert file.identity is not None, "a file that was sent has an identity"
                    self._sent.take(path, file.state, file.identity.name)
                self._files.forget(file)
                self._sent.trim()
            except FileNotFoundError:
                continue  # the folder may be away; if the file is there again, it is known
            except OSError as error:
                file.due = time.monotonic() + _AGAIN_S
                self._told.once(
                    ("stays", path.parent),
                    f"cannot take {self._shown(file.place)} out of the folder ({error.strerror}); what is published "
                    "and stays is not published again, but after a restart",
                )
                return

    def _path(self, file: FoundFile) -> Path:
        return self._folder / file.place

    def _shown(self, place: str) -> str:
        return printable(str(self._folder / place))
