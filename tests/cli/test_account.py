"""`inspector account` on a real ledger."""

import io
import json
import os
import pwd
from pathlib import Path

import pytest

from inspector.cli import main
from inspector.store import Accounts, Audit, AuditFilter, Role, open_database
from inspector.store.account import is_name


class Line:
    """Calls the command line in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._config = folder / "inspector.yaml"
        self._config.write_text("data_dir: ./data\nstations: [{id: plant/hall1/line1/cam1, bank: ./bank}]\n")
        self._capsys = capsys
        self.url = f"sqlite:///{folder}/data/ledger.sqlite3"

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["account", *arguments, "-c", str(self._config)])
        said = self._capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, said.out, said.err


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(tmp_path, capsys)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "password").write_text("correct horse\n")
    return str(tmp_path / "password")


def test_an_account_is_made_listed_and_changed(
    line: Line, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line("add", "eve", "--role", "admin", "--password-file", secret) == (0, "eve: made, admin\n", "")
    assert line("add", "ann", "--password-file", secret)[0] == 0
    assert line("role", "ann", "engineer")[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("battery staple\n"))
    assert line("password", "ann", "--password-file", "-")[0] == 0
    assert line("disable", "ann")[0] == 0
    listed = [json.loads(row) for row in line("list", "--json")[1].splitlines()]
    assert [(row["name"], row["role"], row["disabled_at"] is None) for row in listed] == [
        ("ann", "engineer", False),
        ("eve", "admin", True),
    ]
    assert "ann                      engineer   since 2" in line("list")[1]
    assert line("enable", "ann")[0] == 0
    with open_database(line.url) as database:
        verified = Accounts(database).verify("ann", "battery staple")
        assert verified is not None
        assert verified.role is Role.ENGINEER


def test_the_audit_says_who_changed_an_account_by_a_word_that_no_account_can_have(
    line: Line, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "eve")  # whoever is at the machine could say so
    for arguments in (
        ("add", "eve", "--role", "admin", "--password-file", secret),
        ("add", "ann", "--password-file", secret),
        ("role", "ann", "engineer"),
        ("password", "ann", "--password-file", secret),
        ("disable", "ann"),
        ("enable", "ann"),
    ):
        assert line(*arguments)[0] == 0
    with open_database(line.url) as database:
        rows = Audit(database).account_changes(AuditFilter(), limit=9)
    assert [(row.account, row.action, row.detail) for row in reversed(rows)] == [
        ("eve", "made", "admin"),
        ("ann", "made", "operator"),
        ("ann", "role", "operator to engineer"),
        ("ann", "password", None),
        ("ann", "disabled", None),
        ("ann", "enabled", None),
    ]
    (by,) = {row.by for row in rows}
    assert by == f"{pwd.getpwuid(os.getuid()).pw_name} (command line)"
    assert not is_name(by)


def test_what_cannot_be_is_one_line(line: Line, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line("add", "eve", "--role", "admin", "--password-file", secret)
    (tmp_path / "short").write_text("short\n")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for arguments, code, told in (
        (("add", "eve", "--password-file", secret), 2, "account eve: is there already"),
        (("add", "bob", "--password-file", str(tmp_path / "short")), 2, "password: got 5 characters"),
        (("add", "bob"), 2, "there is no terminal to ask on"),
        (("add", "bob", "--role", "king"), 2, "king"),
        (("password", "nobody", "--password-file", secret), 1, "account 'nobody': is not there"),
        (("disable", "eve"), 1, "is the last admin"),
    ):
        got, out, err = line(*arguments)
        assert (got, out) == (code, "")
        assert told in err
        assert "Traceback" not in err
