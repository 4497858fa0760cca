"""The recipe that the documentation shows is one that is read."""

import re
from pathlib import Path

import cv2
import numpy as np

from inspector.recipe import load

ROOT = Path(__file__).parents[1]


def test_the_region_in_the_documentation_is_read(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(roi:.*?)```", (ROOT / "docs" / "recipes.md").read_text("utf-8"), re.S)
    commented = (ROOT / "configs" / "recipe.yaml").read_text("utf-8").split("# roi:")[1]
    from_config = "roi:" + re.sub(r"^# ?", "", commented, flags=re.M)
    mask = np.zeros((960, 1280), np.uint8)
    mask[600:700, 900:1000] = 255
    cv2.imwrite(str(tmp_path / "part.png"), mask)
    for text in (*example, from_config):
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        roi = load(tmp_path / "recipe.yaml").roi
        assert roi is not None
        assert roi.frame_wh == (1280, 960)
        assert roi.inside()[650, 950]
        assert roi.inside()[100, 150]
        assert not roi.inside()[230, 330]
    assert len(example) == 1
