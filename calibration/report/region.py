"""What a region of interest leaves of a frame, for a person to check."""

from calibration.report.page import card, cards, section
from calibration.report.pictures import small_view
from inspector.charts.markup import Markup, el
from inspector.manifest import Manifest
from inspector.window import extent_of


def region(manifest: Manifest, payload: bytes) -> Markup:
    """An encoded frame beside itself with what does not count dimmed; nothing without a region of interest."""
    extent = extent_of(manifest.recipe, manifest.grid_hw)
    if extent is None:
        return Markup("")
    before, after = small_view(payload, manifest.recipe, shaded=False), small_view(payload, manifest.recipe)
    roi = manifest.recipe.roi
    beside = "can be seen" if roi and roi.surroundings == "seen" else "is covered before the backbone sees it"
    said = (
        f"{extent.patches:,} of {extent.of:,} patches are compared. A patch counts if at least half of it lies inside; "
        f"what lies outside {beside}."
    )
    shown = card(before, after, "the region of interest", el("b", f"{extent.share:.0%} of the picture"), el("br"), said)
    return section("Region of interest", "What is grey and dim is not looked at: no defect is found there.",
                   cards([shown]))  # fmt: skip
