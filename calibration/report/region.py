"""What a region of interest leaves of a frame, for a person to check."""

from pathlib import Path

from calibration.report.page import card, card_without_picture, cards, section
from calibration.report.pictures import small_view
from inspector.charts.markup import Markup, el
from inspector.errors import FrameError
from inspector.manifest import Manifest
from inspector.window import extent_of


def region(manifest: Manifest, frame: Path) -> Markup:
    """A frame beside itself with what does not count dimmed; nothing without a region of interest."""
    extent = extent_of(manifest.recipe, manifest.grid_hw)
    if extent is None:
        return Markup("")
    roi = manifest.recipe.roi
    beside = "can be seen" if roi and roi.surroundings == "seen" else "is covered before the backbone sees it"
    said = (
        f"{extent.patches:,} of {extent.of:,} patches are compared. A patch counts if at least half of it lies inside; "
        f"what lies outside {beside}."
    )
    told = (el("b", f"{extent.share:.0%} of the picture"), el("br"), said)
    try:
        payload = frame.read_bytes()
        before, after = small_view(payload, manifest.recipe, shaded=False), small_view(payload, manifest.recipe)
        shown = card(before, after, "the region of interest", *told)
    except (OSError, FrameError) as error:
        shown = card_without_picture(error, *told)
    return section("Region of interest", "What is grey and dim is not looked at: no defect is found there.",
                   cards([shown]))  # fmt: skip
