"""Imports go one way: types, errors <- core <- engines <- shell <- command line. Read from the source."""

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

INSPECTOR = Path(__file__).parent.parent / "inspector"

CORE = {
    *(
        "bank",
        "bank_place",
        "chart",
        "charts",
        "chunks",
        "contract",
        "drift",
        "explain",
        "frame",
        "grid",
        "header",
        "heatmap",
        "manifest",
        "patches",
    ),
    *(
        "mqtt.protocol",
        "planes",
        "proportions",
        "recipe",
        "review",
        "roi",
        "scoring",
        "strips",
        "synthetic",
        "thumbnail",
        "transparency",
        "window",
    ),
    *(
        "draft",
        "durable",
        "exchange",
        "file_lock",
        "folder",
        "legible",
        "owner",
        "problem",
        "progress",
        "samples.collection",
        "samples.asked",
        "samples.enough",
        "samples.folder",
        "samples.sizes",
        "samples.naming",
    ),
    "yaml_text",
}
"""Arrays and values in, values out; and what does nothing but read and write files."""

LAYERS = ({"types", "errors"}, CORE, {"engines", "pipeline"}, set[str](), {"cli", "demo", "__main__"})
SHELL = 3
"""All modules that no other layer names."""

OUTSIDE = {"logging", "paho", "prometheus_client", "socket", "sqlalchemy", "subprocess", "threading", "urllib"}
"""The network, the database, other processes and threads."""

ENDS = ("camera", "doctor", "line", "web")
"""Only commands import them. `line.daemon` joins the rooms of the shell."""


def named(path: Path) -> str:
    """`review.figures`; a package's own name is that of its `__init__`."""
    parts = path.relative_to(INSPECTOR).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {named(path): path for path in INSPECTOR.rglob("*.py") if path.parent != INSPECTOR or path.stem != "__init__"}


@cache
def imports(module: str, *, deferred: bool) -> frozenset[str]:
    """Full names of all that a module imports. deferred: also within functions, and for type checkers."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    late = set() if deferred else {id(node) for part in ast.walk(tree) if is_late(part) for node in ast.walk(part)}
    return frozenset(name for node in ast.walk(tree) if id(node) not in late for name in names_in(node))


def is_late(node: ast.AST) -> bool:
    for_typing = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return for_typing or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def names_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module: str, *, deferred: bool) -> set[str]:
    """The modules of inspector among them."""
    return own(imports(module, deferred=deferred))


def own(names: Iterable[str]) -> set[str]:
    below = {name.removeprefix("inspector.") for name in names if belongs(name, "inspector")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in below} - {""}


def belongs(module: str, room: str) -> bool:
    return f"{module}.".startswith(f"{room}.")


def layer(module: str) -> int:
    return next((n for n, rooms in enumerate(LAYERS) if any(belongs(module, room) for room in rooms)), SHELL)


def test_no_module_imports_one_of_a_layer_above() -> None:
    upward = {
        (one, other) for one in MODULES for other in own_imports(one, deferred=False) if layer(other) > layer(one)
    }
    assert upward == set()


def test_every_layer_names_modules_that_are_there() -> None:
    assert set().union(*LAYERS) - set(MODULES) == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    list(TopologicalSorter({name: own_imports(name, deferred=False) for name in MODULES}).static_order())


def test_of_records_and_what_they_add_up_to_only_one_imports_the_other() -> None:
    rooms = {
        tuple(name.partition(".")[0] for name in (one, other))
        for one in MODULES
        for other in own_imports(one, deferred=True)
    }
    assert not {("store", "review"), ("review", "store")} <= rooms


def test_the_core_has_no_network_no_database_and_no_threads() -> None:
    found = {(one, name) for one in MODULES if layer(one) <= 1 for name in imports(one, deferred=True)}
    assert {(one, name) for one, name in found if name.partition(".")[0] in OUTSIDE} == set()


def test_calibration_is_imported_within_functions_alone() -> None:
    users = {one for one in MODULES for name in imports(one, deferred=False) if belongs(name, "calibration")}
    assert {one for one in users if not belongs(one, "demo")} == set()


def users_in_calibration(uses: Callable[[str], bool]) -> set[str]:
    """The files of calibration that import a name of this kind."""
    folder = INSPECTOR.parent / "calibration"
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if any(map(uses, names_in(node)))
    }


def test_how_the_backbone_was_made_decides_nothing_later() -> None:
    users = users_in_calibration(lambda name: belongs(name, "calibration.distill"))
    assert {name for name in users if not name.startswith("distill/")} == set()


def test_an_evaluation_stands_on_the_core_alone() -> None:
    """What becomes of samples is nothing to it: a bank is judged as it is."""
    users = users_in_calibration(
        lambda name: belongs(name, "calibration") and not belongs(name, "calibration.evaluation")
    )
    assert {name for name in users if name.startswith("evaluation/")} == set()


def test_calibration_knows_nothing_of_the_shell_but_where_candidates_are_made() -> None:
    users = users_in_calibration(lambda name: any(layer(module) >= SHELL for module in own([name])))
    assert {name for name in users if not name.startswith("candidates/")} == set()


def test_the_ends_of_the_shell_are_imported_by_commands_alone() -> None:
    users = {
        (one, other)
        for one in MODULES
        for other in own_imports(one, deferred=True)
        for end in ENDS
        if belongs(other, end) and not belongs(one, end) and layer(one) <= SHELL
    }
    assert users == set()
