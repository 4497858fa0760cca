"""The command line. Each command lives in its own module and is imported only when it is called or listed."""

import io
import os
import resource
import sys
from importlib import import_module
from typing import Any, NoReturn, TextIO

import click

from inspector import __version__
from inspector.cli.ending import tidy
from inspector.errors import InspectorError, to_install
from inspector.extras import BANK
from inspector.legible import on_one_line

_COMMANDS = {
    "demo": ("inspector.cli.demo", "Show everything on this machine: broker, cameras, daemon, review."),
    "collect": ("inspector.cli.collect", "Collect good samples from a running station."),
    "calibrate": ("inspector.cli.calibrate", "Build a bank from a folder of good samples."),
    "finetune": ("inspector.cli.finetune", "Fine-tune a bank on its good samples."),
    "inspect": ("inspector.cli.inspect", "Score pictures against a bank."),
    "evaluate": ("inspector.cli.evaluate", "Measure a bank on a labelled test folder."),
    "compare": ("inspector.cli.compare", "Compare backbones and recipes on your own samples."),
    "run": ("inspector.cli.run", "Run the daemon: frames in over MQTT, verdicts out."),
    "camera": ("inspector.cli.camera", "Publish frames: a folder, a video, a camera, a drawn product."),
    "review": ("inspector.cli.review", "Serve the web page on which people decide about flagged frames."),
    "export": ("inspector.cli.export", "Write reviewed frames as CSV, COCO or ZIP."),
    "doctor": ("inspector.cli.doctor", "Check what would go wrong: broker, clock, disk, banks, ports."),
    "config": ("inspector.cli.config", "Check and show the settings."),
    "replay": ("inspector.cli.loop", "Try another bank on recorded frames: which verdicts change."),
    "rebuild": ("inspector.cli.loop", "Make a candidate bank from false alarms, and try it."),
    "account": ("inspector.cli.account", "Make, list and change the accounts of the review page."),
    "db": ("inspector.cli.db", "Back up the ledger while the daemon runs, and restore it."),
    "bank": ("inspector.cli.bank", "List, show, compare, grow, promote and roll back banks."),
}


_ADDRESS_SPACE = 2_000_000_000
"""Measured on two cores, with one small bank: below 0.9 GB the loader or OpenVINO ends the process by a signal, below
1.5 GB some library or thread gets none. Only addresses, most of them never used: 220 MB of memory are.
"""

_NO_THREAD = "can't start new thread"
"""What Python says of itself."""


class _Commands(click.Group):
    """Knows its commands by name and purpose without importing them: `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), cmd_name)
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)  # --help and --version go without saying: the commands fill the screen

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inspector")
def cli() -> None:
    """Begin with `inspector demo`, or with `inspector calibrate good_samples/`."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < _ADDRESS_SPACE:
        click.echo(
            f"warning: this process may have {limit / 1e9:.1f} GB of address space (ulimit -v), expected "
            f"{_ADDRESS_SPACE / 1e9:.0f} GB or no limit: with less, libraries end it without a word",
            err=True,
        )


def main(arguments: list[str] | None = None) -> None:
    """Run a command; exit with 0 done, 1 failed, 2 bad usage. A foreseen error is one line, without a trace."""
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be no text, and a terminal not know all
    try:
        with tidy():
            code: Any = cli.main(arguments, prog_name="inspector", standalone_mode=False)
    except InspectorError as error:
        _fail("\n".join(map(on_one_line, f"error: {error}".split("\n"))), error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except MemoryError as error:
        _fail(f"error: out of memory ({_line(error)}); expected more, see free -m and ulimit -v")
    except RuntimeError as error:
        if str(error) != _NO_THREAD:
            raise
        _fail(f"error: {error}; expected more of them, or more memory: see ulimit -u and -v, TasksMax")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name in BANK:
            _fail(f"error: {error.name} is not installed; {to_install('bank')}")
        _fail(
            f"error: a library cannot be loaded: {_line(error)}; expected a whole installation, and memory that no "
            "limit cuts short (ulimit -v)"
        )
    except OSError as error:
        _fail(f"error: {error}")
    sys.exit(code if isinstance(code, int) else 0)


def _fail(told: str, code: int = 1) -> NoReturn:
    click.echo(told, err=True)
    sys.exit(code)


def _nowhere() -> TextIO:
    """In place of a stream that was closed when the process began, as by `2>&-`: Python has None for it."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
