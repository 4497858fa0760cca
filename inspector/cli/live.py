"""A command that runs until it is stopped: what it does now in one line, what is worth telling above it."""

import signal
import sys
import threading

import click

from inspector.signalled import set_by_signal

_WIDTH = 72


class Live:
    """One line on stderr that is written over and over, on a terminal alone. name: what notices begin with."""

    def __init__(self, name: str) -> None:
        self.shows = sys.stderr.isatty()
        self._name = name

    def show(self, text: str) -> None:
        """What is so now."""
        if self.shows:
            click.echo(f"\r{text:<{_WIDTH}}", nl=False, err=True)

    def notice(self, line: str) -> None:
        """A line that stays, on a terminal or not."""
        click.echo(f"{chr(13) if self.shows else ''}{self._name}: {line}", err=True)

    def clear(self) -> None:
        """Nothing of the line is left."""
        if self.shows:
            click.echo("\r" + " " * _WIDTH + "\r", nl=False, err=True)


def stop_by_signals() -> threading.Event:
    """Set once SIGINT or SIGTERM comes: the command ends in order, as if it were done."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: set_by_signal(stop))
    return stop
