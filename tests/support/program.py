"""The command line: as a program of its own, and in this process."""

import csv
import os
import select
import shutil
import subprocess
import sys
import time
from contextlib import chdir
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
import typer.testing
from typer.testing import CliRunner

from tagger.cli import app
from tagger.errors import TaggerError
from tagger.system.database_url import DatabaseUrl, Place
from tagger.text import printable

# Typer builds all commands anew for each run in this process, in 33 ms under coverage.
setattr(typer.testing, "_get_command", cache(typer.main.get_command))  # noqa: B010


class Tagger:
    """Runs `tagger` as a process, with an inventory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "inventory.db"
        self.place: Place = self.db
        self.environment = os.environ | {
            "COLUMNS": "100",
            "TAGGER_DB": str(self.db),
            "TAGGER_SETTLE": "0",  # the pictures of a test are a moment old
        }

    def use(self, place: Place) -> None:
        """Let the inventory be at another place."""
        self.place = place
        secret = place.secret if isinstance(place, DatabaseUrl) else str(place)
        self.environment["TAGGER_DB"] = secret

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "tagger", *map(str, arguments)]

    def __call__(
        self,
        *arguments: object,
        prefix: tuple[str, ...] = (),
        answers: str = "",
        **environment: str,
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*prefix, *self.command(*arguments)],
            cwd=self.folder,
            env=self.environment | environment,
            input=answers,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,  # a hang is a failure, a busy machine is none
        )

    def fails(
        self,
        *arguments: object,
        status: int = 1,
        prefix: tuple[str, ...] = (),
        **environment: str,
    ) -> str:
        """Run what must fail: one line on standard error, nothing on the other."""
        done = self(*arguments, prefix=prefix, **environment)
        assert done.returncode == status, done.stderr
        assert done.stdout == ""
        if status == 1:
            assert done.stderr.count("\n") == 1
            assert done.stderr.startswith("error: ")
        return done.stderr

    def rows(self) -> dict[str, dict[str, str]]:
        lines = self("export", "--raw").stdout.splitlines()
        return {row["path"]: row for row in csv.DictReader(lines)}


class Inside(Tagger):
    """Runs `tagger` in this process, a second cheaper each; ends as `main` does."""

    def __call__(
        self,
        *arguments: object,
        prefix: tuple[str, ...] = (),
        answers: str = "",
        **environment: str,
    ) -> "subprocess.CompletedProcess[str]":
        assert prefix == (), "only a process can be begun by another program"
        words = list(map(str, arguments))
        with (
            chdir(self.folder),
            patch.dict(os.environ, self.environment | environment, clear=True),
        ):
            done = CliRunner().invoke(app, words, input=answers)
        status, errors = done.exit_code, done.stderr
        if isinstance(done.exception, TaggerError):
            status = done.exception.exit_code
            errors += printable(f"error: {done.exception}") + "\n"
        elif isinstance(done.exception, OSError):
            name, why = done.exception.filename, done.exception.strerror
            what = f"{name}: " if name else ""
            errors += printable(f"error: {what}{why or done.exception}") + "\n"
        elif not isinstance(done.exception, SystemExit | None):
            raise done.exception
        return subprocess.CompletedProcess(words, status, done.stdout, errors)


def refused(tagger: Tagger, *arguments: object, status: int = 2, **env: str) -> str:
    """Run what must be refused with one line."""
    message = tagger.fails(*arguments, status=status, prefix=(), **env)
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    return message


def begun(program: Tagger, shop: Path, *arguments: object) -> "subprocess.Popen[str]":
    """Begin a long scan and wait until it has written something."""
    process = subprocess.Popen(
        program.command("scan", shop, "--batch-size", 4, *arguments),
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert "scan of" in process.stdout.readline()
    return process


def without_dac_override() -> tuple[str, ...]:
    """Words before a command that take root's power over permissions away."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("root, and no setpriv to be less")
    return ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


def in_a_terminal(command: list[str], tagger: Tagger, keys: bytes = b"") -> str:
    """Run a command on a pseudo-terminal and return what it would show.

    The keys wait there for who asks.
    """
    import pty  # where there are terminals

    ours, theirs = pty.openpty()
    os.write(ours, keys)
    environment = tagger.environment | {"TERM": "xterm-256color", "COLUMNS": "400"}
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # the other end was closed
                break
    process.wait(timeout=60)
    os.close(ours)
    return shown.decode(errors="replace")
