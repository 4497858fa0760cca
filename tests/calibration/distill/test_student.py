"""What a training run begins with: timm's MobileNetV2 taken over exactly, and taps that fit."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from calibration.backbones.builtin import torch_features
from calibration.distill.student import fit_pointwise, from_mobilenet, load_start
from inspector.errors import BackboneError, UsageError


def test_the_net_begins_as_timms_mobilenet(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("mobilenetv2_100", pretrained=False)
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    theirs.eval()
    file = tmp_path / "mobilenet.safetensors"
    save_file(theirs.state_dict(), file)
    start = load_start(f"mobilenetv2_100@{file}")
    seen: dict[str, torch.Tensor] = {}
    for name, at in (("stride4", theirs.blocks[2]), ("stride8", theirs.blocks[3]), ("stride16", theirs.blocks[5])):
        at[0].bn1.register_forward_hook(lambda *said, name=name: seen.update({name: said[2]}))
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        theirs(image)
    for tap in start.spec.taps:
        widened = seen[tap.name]
        chosen = np.eye(tap.channels, widened.shape[1], dtype=np.float32)[:, :, np.newaxis, np.newaxis]
        read = type(start)(start.spec, {**start.arrays, f"{tap.name}.weight": chosen}, "read")
        (got,) = torch_features(read, (tap.name,))(image)
        torch.testing.assert_close(got, widened[:, : tap.channels], rtol=1e-2, atol=2e-3)


def test_what_a_run_cannot_begin_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected mobilenetv2_100@FILE or the file of a finished net"):
        load_start("resnet18@file")
    with pytest.raises(BackboneError, match="No such file"):
        from_mobilenet(tmp_path / "missing")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(BackboneError, match="expected mobilenetv2_100 under timm's key names: '"):
        from_mobilenet(tmp_path / "other.safetensors")


def test_the_taps_of_a_begun_run_fit_its_targets() -> None:
    torch.manual_seed(0)
    maps, truth, tap = torch.randn(4, 6, 16, 16), torch.nn.Conv2d(6, 3, 1), torch.nn.Conv2d(6, 3, 1)
    with torch.no_grad():
        fit_pointwise(tap, maps, truth(maps))
    torch.testing.assert_close(tap.weight, truth.weight, atol=5e-3, rtol=0)
    torch.testing.assert_close(tap.bias, truth.bias, atol=5e-3, rtol=0)
