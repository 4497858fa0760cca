"""What a process loads, and that it talks to nobody: each claim in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from banks import write_good
from line import drawn_part
from safetensors.numpy import save_file

HEAVY = {"torch", "torchvision", "timm", "sklearn", "scipy", "pandas", "matplotlib"}

PAGE = {"fastapi", "starlette", "uvicorn", "jinja2", "argon2", "multipart", "python_multipart"}

NO_NETWORK = """
import socket, sys
def refuse(*args, **kwargs):
    print("network:", args, file=sys.stderr, flush=True)
    raise OSError("no network here")
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
"""

NOT_INSTALLED = """
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, NotInstalled())
"""
NO_TORCH = NOT_INSTALLED.format(names=("torch", "torchvision", "timm"))
NO_BANK = NOT_INSTALLED.format(names=("scipy", "sklearn", "threadpoolctl"))
NO_POSTGRESQL = NOT_INSTALLED.format(names=("psycopg", "psycopg_binary"))


def run(program: str, *arguments: object) -> str:
    """What a program printed, run by a fresh interpreter; a failure shows its trace."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "network:" not in done.stderr, done.stderr
    return done.stdout


def loaded_by(program: str, *arguments: object) -> set[str]:
    """The top-level modules that are loaded when `program` has run."""
    ending = "\nimport json as _j, sys as _s; print('\\n' + _j.dumps(sorted({n.split('.')[0] for n in _s.modules})))"
    return set(json.loads(run(program + ending, *arguments).splitlines()[-1]))


def cli(*arguments: str) -> str:
    return f"""
from inspector.cli import main
try:
    main({list(arguments)!r})
except SystemExit as left:
    assert left.code == 0, left.code
"""


def test_the_daemons_path_loads_nothing_heavy_and_nothing_of_the_review_page() -> None:
    line = "inspector.line.companion, inspector.line.daemon"
    loaded = loaded_by(f"import inspector.cli.run, {line}, inspector.pipeline, inspector.engines.openvino")
    assert {"openvino", "faiss", "cv2"} <= loaded
    assert not loaded & (HEAVY | PAGE | {"calibration"})


def test_help_loads_next_to_nothing() -> None:
    loaded = loaded_by(cli("--help"))
    assert not loaded & (HEAVY | {"calibration", "numpy", "cv2", "openvino", "faiss", "sqlalchemy", "pydantic", "paho"})


def test_inspecting_loads_nothing_heavy(bank: Path, tmp_path: Path) -> None:
    (tmp_path / "part.png").write_bytes(drawn_part(1))
    loaded = loaded_by(cli("inspect", str(bank), str(tmp_path / "part.png"), "--json"))
    assert not loaded & (HEAVY | {"calibration"})


def test_calibrate_and_evaluate_need_no_torch_and_no_network(tmp_path: Path) -> None:
    write_good(tmp_path / "train" / "good", 6)
    write_good(tmp_path / "test" / "good", 2, first_seed=50)
    (tmp_path / "test" / "scratch").mkdir()
    (tmp_path / "test" / "scratch" / "0.png").write_bytes(drawn_part(60, scratched=True))
    (tmp_path / "recipe.yaml").write_text("{size_wh: [64, 64], vectors: 32}")
    recipe = str(tmp_path / "recipe.yaml")
    calibrate = cli("calibrate", str(tmp_path / "train" / "good"), "-o", str(tmp_path / "bank"), "--recipe", recipe)
    evaluate = cli("evaluate", str(tmp_path / "bank"), str(tmp_path / "test"), "--json")
    printed = run(NO_TORCH + NO_NETWORK + calibrate + evaluate)
    assert json.loads(printed.splitlines()[-1])["image_auroc"] == 1.0


def test_exporting_a_timm_model_talks_to_nobody(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    weights = tmp_path / "weights.safetensors"
    save_file({key: value.numpy() for key, value in timm.create_model("resnet10t").state_dict().items()}, weights)
    program = """
import sys
from calibration.backbones.backbone import open_backbone
from calibration.backbones.export import embedding_graph
from inspector.recipe import Recipe
recipe = Recipe(size_wh=(64, 64))
backbone = open_backbone("timm:resnet10t@" + sys.argv[1], recipe)
print(list(embedding_graph(backbone.features, recipe).output(0).shape))
"""
    assert run(NO_NETWORK + program, weights).startswith("[1, 8, 8, ")


def calibrate_by_timm(tmp_path: Path, before: str) -> str:
    """What calibrating by a timm backbone says as it fails, where `before` was run first."""
    good = write_good(tmp_path / "good", 4)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"never read")
    program = f"""
from inspector.cli import main
main(["calibrate", {str(good)!r}, "-o", {str(tmp_path / "bank")!r}, "--backbone", "timm:resnet18@{weights}"])
"""
    command = [sys.executable, "-c", before + program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert not (tmp_path / "bank").exists()
    return done.stderr


def test_without_torch_a_timm_backbone_is_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    expected = "timm is not installed; install inspector[calibrate] from its wheels or its repository, or use builtin"
    assert calibrate_by_timm(tmp_path, NO_TORCH) == f"error: backbone timm:resnet18: {expected}\n"


def test_of_a_timm_that_is_there_without_what_it_needs_the_line_names_that(tmp_path: Path) -> None:
    (tmp_path / "timm.py").write_text("import torchvision")
    before = NOT_INSTALLED.format(names=("torchvision",)) + f"sys.path.insert(0, {str(tmp_path)!r})\n"
    expected = (
        "torchvision is not installed; install inspector[calibrate] from its wheels or its repository, or use builtin"
    )
    assert calibrate_by_timm(tmp_path, before) == f"error: backbone timm:resnet18: {expected}\n"


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libcudart.so.13: cannot open shared object file\nand more of it"),
        OSError("libcudart.so.13: cannot open shared object file"),
        RuntimeError("operator torchvision::nms does not exist"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_of_a_timm_that_cannot_be_loaded_one_line_says_why(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "timm.py").write_text(f"raise {error!r}")
    said = calibrate_by_timm(tmp_path, f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n")
    assert said == (
        f"error: backbone timm:resnet18: timm cannot be loaded ({str(error).splitlines()[0]}); expected torch, "
        "torchvision and timm that fit one another, or use builtin\n"
    )


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (("calibrate", "good"), "scipy"),
        (("finetune", "bank", "good", "-o", "new"), "scipy"),
        (("evaluate", "bank", "test"), "scipy"),
        (("bank", "add", "bank", "more"), "threadpoolctl"),
    ],
)
def test_without_what_makes_banks_a_command_says_what_to_install(
    tmp_path: Path, command: tuple[str, ...], missing: str
) -> None:
    for folder in ("good", "test", "more"):
        write_good(tmp_path / folder, 2)
    called = [sys.executable, "-c", f"{NO_BANK}\nfrom inspector.cli import main\nmain({[*command]!r})"]
    done = subprocess.run(called, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    told = f"error: {missing} is not installed; install inspector[bank] from its wheels or its repository\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize(
    ("command", "code", "place", "end"),
    [
        (("config", "check"), 0, "warning  database: ", "; the daemon will not start"),
        (("doctor",), 1, "fail  database           ", "; expected one that can be written; see"),
        (("run",), 1, "error: database: ", ""),
        (("review",), 1, "error: database: ", ""),
    ],
)
def test_without_the_driver_of_a_database_each_command_says_what_to_install(
    bank: Path, tmp_path: Path, command: tuple[str, ...], code: int, place: str, end: str
) -> None:
    settings = tmp_path / "inspector.yaml"
    settings.write_text(
        f"data_dir: ./data\ndatabase: postgresql://db/inspector\nmetrics: {{port: 0}}\nreview: {{port: 0}}\n"
        f"stations: [{{id: plant/hall1/line1/cam1, bank: {bank}}}]\n"
    )
    program = f"from inspector.cli import main\nmain({[*command, '-c', str(settings)]!r})"
    called = [sys.executable, "-c", NO_POSTGRESQL + program]
    done = subprocess.run(called, capture_output=True, text=True, timeout=120, check=False)
    why = "the driver of this URL cannot be loaded (No module named 'psycopg'); install inspector[postgres]"
    why += " from its wheels or its repository"
    assert done.returncode == code, done.stderr
    assert sum(line.startswith(place + why + end) for line in (done.stdout + done.stderr).splitlines()) == 1


def test_opening_a_bank_talks_to_nobody(bank: Path) -> None:
    program = "import sys, pathlib; from inspector.pipeline import Pipeline; Pipeline.open(pathlib.Path(sys.argv[1]))"
    run(NO_NETWORK + program, bank)


@pytest.mark.parametrize(
    "first", ["inspector", "calibration", "calibration.backbones.export", "inspector.engines.openvino"]
)
def test_openvino_is_kept_from_reporting_whatever_is_imported_first(first: str) -> None:
    run(NO_NETWORK + f"import {first}; import openvino; import sys; assert sys.modules['openvino_telemetry'] is None")


def test_the_guard_against_the_network_can_fail() -> None:
    with pytest.raises(AssertionError, match="network:"):
        run(NO_NETWORK + "import socket\ntry: socket.create_connection(('example.com', 80))\nexcept OSError: pass")
