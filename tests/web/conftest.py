"""Fixtures of the review page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from review_site import ReviewSite, running_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bank: Path) -> Iterator[ReviewSite]:
    """A running review page, without frames at first; the tests of a module share it."""
    with running_site(tmp_path_factory.mktemp("site"), bank) as running:
        yield running
