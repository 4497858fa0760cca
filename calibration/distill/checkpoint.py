"""A run on disk: arrays in safetensors, the plan in its metadata; written beside and moved into place, no pickle."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from calibration.distill.targets import Projection
from calibration.distill.training import Run, TrainingPlan
from inspector.errors import BackboneError

_MAY_CHANGE = ("rounds", "decay_rounds", "passes", "trained_share")


def save_checkpoint(path: Path, run: Run) -> None:
    """Student, average, what they began with, optimiser state, projections and the number of finished rounds."""
    arrays = {f"student/{key}": tensor for key, tensor in run.student.state_dict().items()}
    arrays |= {f"average/{key}": tensor for key, tensor in run.average.state_dict().items()}
    arrays |= {f"begun/{name}": torch.from_numpy(array) for name, array in run.begun.items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        arrays |= {f"optimizer/{index}/{key}": tensor for key, tensor in state.items()}
    explained = {}
    for stride, projection in run.projections.items():
        arrays[f"projection/{stride}/mean"] = torch.from_numpy(projection.mean)
        arrays[f"projection/{stride}/matrix"] = torch.from_numpy(projection.matrix)
        explained[str(stride)] = projection.explained
    note = {
        "plan": _fixed(run.plan),
        "spec": run.student.spec.to_json(),
        "explained": explained,
        "finished_rounds": run.finished_rounds,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    whole = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in arrays.items()}
    save_file(whole, beside, {"run": json.dumps(note)})
    beside.replace(path)


def load_checkpoint(path: Path, run: Run) -> None:
    """Puts `run`, freshly made of the same plan, where the checkpoint was.

    Raises:
        BackboneError: the file cannot be read, or another plan or architecture wrote it.
    """
    try:
        with safe_open(path, "pt") as file:
            note = json.loads(file.metadata()["run"])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BackboneError(f"checkpoint {path}: cannot be read: {error}") from error
    plan, spec = _fixed(run.plan), run.student.spec.to_json()
    changed = sorted(key for key in plan if note["plan"].get(key) != plan[key])
    if note["spec"] != spec:
        changed.append("the architecture")
    if changed:
        raise BackboneError(
            f"checkpoint {path}: written by another run; {', '.join(changed)} differ(s). "
            "Give the same arguments, or name another checkpoint"
        )
    run.student.load_state_dict(_below(arrays, "student/"))
    run.average.load_state_dict(_below(arrays, "average/"))
    run.begun = {name: tensor.numpy() for name, tensor in _below(arrays, "begun/").items()}
    state = run.optimizer.state_dict()
    state["state"] = {}
    for key, tensor in _below(arrays, "optimizer/").items():
        index, name = key.split("/")
        state["state"].setdefault(int(index), {})[name] = tensor
    run.optimizer.load_state_dict(state)
    run.projections = {
        int(stride): Projection(
            arrays[f"projection/{stride}/mean"].numpy().astype(np.float32),
            arrays[f"projection/{stride}/matrix"].numpy().astype(np.float32),
            share,
        )
        for stride, share in note["explained"].items()
    }
    run.finished_rounds = note["finished_rounds"]


def _below(arrays: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in arrays.items() if key.startswith(prefix)}


def _fixed(plan: TrainingPlan) -> dict[str, object]:
    """The plan as JSON has it, less what may change between two parts of a run."""
    fixed: dict[str, object] = json.loads(json.dumps(asdict(plan)))
    return {key: value for key, value in fixed.items() if key not in _MAY_CHANGE}
