"""The command line as a whole: help, bad usage, and one line for whatever goes wrong."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from calling import Cli
from line import drawn_part
from services import no_threads_left

from inspector import __version__
from inspector.cli.camera import _broker
from inspector.errors import UsageError
from inspector.pipeline import Pipeline
from inspector.store import open_database


@pytest.mark.parametrize(
    "command", [(), ("calibrate",), ("inspect",), ("evaluate",), ("compare",), ("run",), ("bank",), ("bank", "list"),
                ("bank", "show"), ("bank", "verify"), ("bank", "promote"), ("bank", "rollback"), ("bank", "diff"),
                ("bank", "add"), ("bank", "remove"), ("replay",), ("rebuild",)]
)  # fmt: skip
def test_help_fits_a_screen(cli: Cli, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = cli(*command, "--help")
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert cli(*command, "-h").out == done.out


def test_help_names_every_command_and_each_opens(cli: Cli) -> None:
    overview = cli("--help").out
    for name in ("demo", "calibrate", "inspect", "evaluate", "compare", "run", "camera", "bank"):
        assert f"\n  {name} " in overview
        assert cli(name, "--help").code == 0


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"inspector, version {__version__}\n"


@pytest.mark.parametrize("size", ["1920", "0x0", "1920x1080x3"])
def test_a_size_of_a_camera_that_is_none_is_told(cli: Cli, size: str) -> None:
    done = cli("camera", "0", "--station", "a/b/c/d", "--size", size)
    expected = f"error: --size {size}: expected width and height in pixels, as in 1920x1080\n"
    assert (done.code, done.err) == (2, expected)


@pytest.mark.parametrize(
    "arguments", [("nosuch",), ("calibrate",), ("inspect",), ("inspect", "bank"), ("evaluate", "x"),
                  ("bank", "nosuch"), ("calibrate", "x", "--folds", "many"), ("calibrate", "x", "--nosuch"),
                  ("calibrate", "x", "--limit", "0"), ("demo", "--seed", "-1"),
                  ("camera", "synthetic:plate", "--station", "a/b/c/d", "--seed", "-1")]
)  # fmt: skip
def test_bad_usage_exits_with_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert done.code == 2
    assert "Error: " in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("plant", "plant", 1883),
        ("plant:8883", "plant", 8883),
        ("10.1.2.3:8883", "10.1.2.3", 8883),
        ("[::1]", "::1", 1883),
        ("[::1]:8883", "::1", 8883),
        ("[fe80::1%eth0]:8883", "fe80::1%eth0", 8883),
    ],
)
def test_a_broker_is_a_name_or_an_address_with_its_port(given: str, host: str, port: int) -> None:
    broker = _broker(given, "auto", None, None, tls=False, ca_file=None)
    assert (broker.host, broker.port) == (host, port)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("::1", r"expected HOST:PORT, with an IPv6 address in brackets, as in \[::1\]:1883"),
        ("::1:8883", r"expected HOST:PORT, with an IPv6 address in brackets"),
        ("[::1]8883", r"expected HOST:PORT, with an IPv6 address in brackets"),
        ("[plant:1]:8883", r"host: got plant:1, expected a name or an address; the port is a key of its own"),
        ("plant:", r"port: got '', expected"),
    ],
)
def test_a_broker_that_is_neither_is_told(given: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        _broker(given, "auto", None, None, tls=False, ca_file=None)
    assert str(caught.value).startswith(f"--broker {given}: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("inspect {file} {bank}", "bank {file}: is no folder, expected one made by `inspector calibrate`"),
        ("bank show {file}", "bank {file}: is no folder, expected one made by `inspector calibrate`"),
        ("bank add {bank} {none}", "cannot be read (No such file or directory)"),
        ("bank remove {bank} 0.png --good {none}", "{none}: no such folder; expected a folder of pictures"),
        ("bank remove {bank} 0.png --good {file}", "{file}: is a file, expected a folder of pictures"),
        ("bank list {bank}", "banks {bank}: is a bank itself, expected a folder of banks; see bank show"),
        ("bank list {empty}", "banks {empty}: no bank there, expected a folder of banks"),
        ("calibrate {file} -o {none}", "{file}: is a file, expected a folder of pictures"),
        ("evaluate {bank} {file}", "{file}: is a file, expected a folder of pictures"),
        ("config check -c {empty}", "{empty}: cannot be read (Is a directory), expected the settings in YAML"),
    ],
)
def test_a_path_of_the_wrong_kind_is_told_in_words(cli: Cli, bank: Path, tmp_path: Path, words: str, told: str) -> None:
    named = {"bank": bank, "file": tmp_path / "part.png", "empty": tmp_path / "empty", "none": tmp_path / "none"}
    named["file"].write_bytes(drawn_part(1))
    named["empty"].mkdir()
    done = cli(*(word.format(**named) for word in words.split()))
    assert done.code in (1, 2)
    assert told.format(**named) in done.out + done.err
    assert "[Errno" not in done.out + done.err


def test_a_name_that_is_no_text_is_printed_all_the_same(bank: Path, tmp_path: Path) -> None:
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/Pr\xfcfteil.png")
    Path(strange).write_bytes(drawn_part(1))
    command = [sys.executable, "-X", "utf8", "-m", "inspector", "inspect", str(bank), strange]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"Pr\udcfcfteil.png" in done.stdout


def test_run_fails_in_one_line(cli: Cli, tmp_path: Path) -> None:
    assert "inspector.yaml" in cli.fails("run", "-c", tmp_path / "inspector.yaml", code=2)


def test_as_a_process(bank: Path, parts: Path, tmp_path: Path) -> None:
    """What the shell sees: exit codes, stdout for results alone, and no trace."""
    run = [sys.executable, "-m", "inspector"]
    scored = subprocess.run(
        [*run, "inspect", bank, parts / "scratch", "--json"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (scored.returncode, scored.stderr) == (0, "")
    assert len(scored.stdout.splitlines()) == 2
    failed = subprocess.run([*run, "bank", "verify", tmp_path], capture_output=True, text=True, check=False, timeout=60)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith(f"error: bank {tmp_path}: no manifest.json there")
    assert failed.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_a_command_does_its_work_where_nobody_listens(tmp_path: Path, closed: str) -> None:
    (tmp_path / "inspector.yaml").write_text("{data_dir: data, stations: [{id: a/b/c/d, bank: b}]}")
    with open_database(f"sqlite:///{tmp_path}/data/ledger.sqlite3"):
        pass
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "inspector", "db", "backup", "copy"]
    assert subprocess.run(command, cwd=tmp_path, timeout=60).returncode == 0
    assert (tmp_path / "copy").is_file()


def test_a_library_that_cannot_be_loaded_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libav.so: failed to map segment\\nfrom shared object')\n")
    command = [sys.executable, "-m", "inspector", "inspect", "bank", "picture.png"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))}, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: a library cannot be loaded: libav.so: failed to map segment from shared object;"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("limit", [500_000_000, 700_000_000])
def test_a_limit_that_is_too_low_for_the_libraries_is_told_before_they_are_loaded(
    bank: Path, tmp_path: Path, limit: int
) -> None:
    """They may end the process by a signal."""
    (tmp_path / "part.png").write_bytes(drawn_part(1))
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))"
    program = f"{limited}\nfrom inspector.cli import main\nmain({['inspect', str(bank), str(tmp_path / 'part.png')]!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    told = (
        f"warning: this process may have {limit / 1e9:.1f} GB of address space (ulimit -v), expected 2 GB or no limit"
    )
    assert done.returncode != 0
    assert done.stderr.startswith(told)


def test_a_process_that_may_start_no_thread_is_told_in_one_line(
    cli: Cli, bank: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "open", lambda *_, **__: threading.Thread(target=int).start())
    with no_threads_left():
        told = cli.fails("inspect", bank, parts / "good" / "0.png")
    assert "can't start new thread; expected more of them" in told


def test_a_process_without_memory_is_told_in_one_line(
    cli: Cli, tmp_path: Path, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part.png").write_bytes(drawn_part(1))

    def full(*_: object, **__: object) -> None:
        np.zeros((1 << 30, 1 << 20))

    monkeypatch.setattr(Pipeline, "open", full)
    assert "out of memory (Unable to allocate" in cli.fails("inspect", bank, tmp_path / "part.png")
