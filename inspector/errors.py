"""The error tree. Every message says what, what was got, what was expected, and what to do.

`exit_code` is what the command line returns: 1 failed, 2 bad usage. `reason` is the bounded word that a metric label,
a dead letter and the ledger carry.
"""

from collections.abc import Sequence
from typing import ClassVar


class InspectorError(Exception):
    """Anything this product refuses or fails at, with a message for a person."""

    exit_code: ClassVar[int] = 1


def in_words(error: Exception) -> str:
    """What is wrong with a file whose path is told beside it: of an error of the system, neither number nor path."""
    return f"cannot be read ({error.strerror})" if isinstance(error, OSError) and error.strerror else str(error)


class UsageError(InspectorError):
    """The command line or an argument is wrong."""

    exit_code: ClassVar[int] = 2


class SettingsError(UsageError):
    """The configuration file is missing, malformed, or says something that cannot be."""


class SettingsMistakesError(SettingsError):
    """One or more mistakes; the message has the first and how many more, `mistakes` has each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        super().__init__(f"{mistakes[0]}{more}")
        self.mistakes = tuple(mistakes)


class RecipeError(UsageError):
    """A recipe asks for something that does not exist or contradicts itself."""


class StationNameError(UsageError):
    """A station is not of the form site/area/line/station."""


class BackboneError(InspectorError):
    """A backbone is unknown, its weights are missing, damaged, or do not fit it."""


class BankError(InspectorError):
    """A bank cannot be read or must not be used: digest, schema, dimension, NaN."""


class SamplesError(InspectorError):
    """The samples cannot make a bank or an evaluation: none found, too few, unreadable."""


class StoppedError(InspectorError):
    """Somebody stopped the work before it was done."""


class EngineError(InspectorError):
    """An inference engine is missing or refuses the graph."""


class BrokerError(InspectorError):
    """The MQTT broker cannot be reached, or refuses the connection."""


class StoreError(InspectorError):
    """The ledger, outbox or quarantine cannot be read or written."""


class StalledError(InspectorError):
    """A frame is inspected for so long that it will not end: a library hangs."""


class MissingExtraError(InspectorError):
    """A command needs libraries that are installed with an extra."""


def to_install(extra: str) -> str:
    """What to do for an extra. It says from where: what a package registry has by this name is another program."""
    return f"install inspector[{extra}] from its wheels or its repository"


class FrameError(InspectorError):
    """One frame cannot be inspected. It becomes an `error` outcome, never a verdict of ok."""

    reason: ClassVar[str] = "bad_frame"


class FrameEmptyError(FrameError):
    """The payload has no bytes."""

    reason: ClassVar[str] = "empty"


class FrameFormatError(FrameError):
    """The payload is not a JPEG, PNG, TIFF or BMP, or of a pixel type that is not supported."""

    reason: ClassVar[str] = "unknown_format"


class FrameDamagedError(FrameError):
    """The payload begins like an image and does not decode to the end."""

    reason: ClassVar[str] = "damaged"


class FrameTooLargeError(FrameError):
    """The header announces more pixels than the limit, or a JPEG more scans; nothing was allocated."""

    reason: ClassVar[str] = "too_large"


class FrameSizeError(FrameError):
    """The frame is smaller than the recipe's crop, or its shape does not fit the recipe."""

    reason: ClassVar[str] = "wrong_size"


class FrameMessageError(FrameError):
    """The message around the image breaks the contract: properties, envelope, topic."""

    reason: ClassVar[str] = "bad_message"


class FrameChecksumError(FrameError):
    """The CRC-32 that the camera sent is not the CRC-32 of what arrived."""

    reason: ClassVar[str] = "crc_mismatch"


class FrameIdReusedError(FrameError):
    """Another frame with the same id and other bytes was already decided."""

    reason: ClassVar[str] = "frame_id_reused"


class FramePoisonError(FrameError):
    """The frame ended the process more than once and is not decoded again."""

    reason: ClassVar[str] = "poison"


class RecipeMismatchError(FrameError):
    """The frame names a recipe that the station does not run."""

    reason: ClassVar[str] = "unknown_recipe"


class NoBankError(FrameError):
    """The station has no bank that can be used yet."""

    reason: ClassVar[str] = "no_bank"


class UnknownStationError(FrameError):
    """A frame came from a station that is not in the configuration."""

    reason: ClassVar[str] = "unknown_station"


class InferenceError(FrameError):
    """The engine failed on this frame."""

    reason: ClassVar[str] = "inference"


def frame_error_reasons() -> tuple[str, ...]:
    """Every reason that a frame error can carry, sorted: the bounded label set of the metrics. All are in this file."""

    def walk(cls: type[FrameError]) -> set[str]:
        return {cls.reason}.union(*(walk(sub) for sub in cls.__subclasses__()))

    return tuple(sorted(walk(FrameError)))
