"""The documentation is true: every command in it is run, in order, in an empty folder; the site builds and is whole."""

import os
import re
import shutil
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from services import DEADLINE_S

from inspector.demo.port import free_port

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(page: str) -> list[tuple[str, str]]:
    """Language and text of each block of a page."""
    return FENCE.findall((DOCS / page).read_text(encoding="utf-8"))


def commands(page: str) -> list[str]:
    """What is typed: lines that begin with `$`, those with `>` after them; the rest is what is answered."""
    found: list[str] = []
    for language, text in fences(page):
        if language == "console":
            for line in text.splitlines():
                if line.startswith("$ "):
                    found.append(line[2:])
                elif line.startswith("> "):
                    found[-1] += f"\n{line[2:]}"
    return found


RUN = [page for page in PAGES if commands(page)]


@pytest.mark.parametrize("page", RUN)
def test_every_command_of_a_page_works(page: str, tmp_path: Path) -> None:
    ports = {"1883": str(free_port()), "9108": str(free_port())}
    script = "set -eu -o pipefail\n" + "\n".join(commands(page)) + "\n"
    for usual, free in ports.items():
        script = re.sub(rf"\b{usual}\b", free, script)
    if os.geteuid() == 0:
        script = script.replace("printf 'listener", "printf 'user root\\nlistener")
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    with (tmp_path / "said").open("wb") as said:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=tmp_path,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": programs, "INSPECTOR_METRICS__PORT": ports["9108"]},
            start_new_session=True,
        )
        try:
            code = shell.wait(4.5 * DEADLINE_S)
        finally:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(shell.pid, sign)
                except ProcessLookupError:
                    break
    assert code == 0, f"{page}:\n{(tmp_path / 'said').read_text()}"
    if page == "tutorial.md":
        verdicts = (tmp_path / "verdicts.jsonl").read_text().splitlines()
        assert len(verdicts) == 5


@pytest.mark.parametrize("page", PAGES)
def test_who_installs_the_page_installs_what_it_calibrates_with(page: str) -> None:
    extras = re.findall(r"\[([a-z,]*\breview\b[a-z,]*)\]'", (DOCS / page).read_text(encoding="utf-8"))
    assert [those for those in extras if "bank" not in those.split(",")] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_looks_like_a_command_to_type_is_run(page: str) -> None:
    """`$` stands in `console` blocks alone; others show what needs root, containers, or a plant."""
    shown = [text for language, text in fences(page) if language != "console"]
    assert not [line for text in shown for line in text.splitlines() if line.startswith("$ ")]


class Fetched(HTMLParser):
    """What a browser would fetch when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.found.append(said.get("src") or "")
        elif tag == "link" and said.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(said.get("href") or "")


def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    names = {page.relative_to(tmp_path / "site").as_posix() for page in pages}
    assert {f"reference/{name}.html" for name in ("cli", "settings", "messages", "metrics", "errors")} <= names
    for page in pages:
        reader = Fetched()
        reader.feed(page.read_text(encoding="utf-8"))
        assert [url for url in reader.found if "//" in url] == [], page.name
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page for page in PAGES if page not in text] == []
    assert yaml.safe_load(text)["theme"]["highlightjs"] is False


def test_the_reference_leaves_nothing_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import generate, json; print(json.dumps(generate.pages()))"],
        cwd=DOCS / "reference",
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": f"{DOCS / 'reference'}:{ROOT}"},
    )
    assert done.returncode == 0, done.stderr
    pages = yaml.safe_load(done.stdout)
    for name in ("inspector calibrate", "inspector bank promote", "inspector config check", "inspector doctor"):
        assert f"## {name}\n" in pages["cli"]
    assert "`stations[].queue.policy`" in pages["settings"]
    assert "`inspector_drift_ratio` | gauge | signal, station |" in pages["metrics"]
    assert "`inspector_bank_info` | gauge | bank, digest, station |" in pages["metrics"]
    rules = (ROOT / "configs" / "prometheus" / "rules" / "inspector.yml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\binspector_[a-z_]+", rules))
    explained = pages["metrics"]
    assert [name for name in sorted(asked) if f"`{re.sub('_(bucket|count|sum)$', '', name)}`" not in explained] == []
    assert "`crc_mismatch`" in pages["errors"]
    assert "## drift\n" in pages["messages"]
    assert shutil.which("mosquitto_sub") is not None, "the tutorial needs mosquitto-clients: make setup"
