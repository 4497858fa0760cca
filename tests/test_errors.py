"""The error tree: exit codes, and the bounded words that metrics and dead letters carry."""

import re
from collections.abc import Iterator

import pytest

from inspector import errors


def walk(cls: type[errors.InspectorError]) -> Iterator[type[errors.InspectorError]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from walk(sub)


EVERY = [error for error in walk(errors.InspectorError) if error.__module__ == errors.__name__]


def test_bad_usage_exits_with_2_and_everything_else_with_1() -> None:
    assert {error.exit_code for error in EVERY if issubclass(error, errors.UsageError)} == {2}
    assert {error.exit_code for error in EVERY if not issubclass(error, errors.UsageError)} == {1}


def test_every_error_of_the_module_is_in_the_tree() -> None:
    named = {name for name in vars(errors) if name.endswith("Error")}
    assert named == {error.__name__ for error in EVERY}


def test_each_frame_error_has_a_reason_of_its_own_that_a_label_can_carry() -> None:
    own = [error for error in EVERY if issubclass(error, errors.FrameError)]
    reasons = [error.reason for error in own]
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[a-z_]{1,20}", reason) for reason in reasons)
    assert set(reasons) <= set(errors.frame_error_reasons())
    assert list(errors.frame_error_reasons()) == sorted(errors.frame_error_reasons())


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
def test_every_error_says_what_it_is_for(error: type[errors.InspectorError]) -> None:
    assert error.__doc__


def test_no_error_of_a_frame_lies_elsewhere_so_that_its_reason_does_not_depend_on_what_was_imported() -> None:
    def below(kind: type[errors.FrameError]) -> set[type[errors.FrameError]]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    assert {kind.__module__ for kind in below(errors.FrameError)} == {errors.__name__}
