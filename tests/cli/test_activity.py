"""A long command says in a terminal what it does, and nowhere else."""

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support import Photo, many
from support.program import Tagger, in_a_terminal

from tagger.cli import activity as module
from tagger.cli.activity import Activity, activity, aside, show_phase


@contextmanager
def watched(patch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Give this process a terminal as its standard error; collect what it shows."""
    import pty

    ours, theirs = pty.openpty()
    shown: list[bytes] = []
    patch.setattr(module, "_is_watched", lambda: True)
    patch.setattr(module, "original_stderr", lambda: os.dup(theirs))
    try:
        yield shown
    finally:
        os.set_blocking(ours, False)
        with suppress(BlockingIOError):
            while True:
                shown.append(os.read(ours, 65536))
        os.close(ours)
        os.close(theirs)


def told(shown: list[bytes]) -> list[str]:
    """Return the texts that were drawn, one after the other."""
    return [text.strip() for text in re.split(r"[\r\n]", b"".join(shown).decode())]


def test_it_appears_changes_and_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    import tqdm  # noqa: F401  as later in a process

    with watched(monkeypatch) as shown:
        with activity("opening the inventory") as doing:
            time.sleep(0.5)
            for _ in doing.track("reading pictures", range(8), 8):
                time.sleep(0.1)
            doing.now("updating the inventory")
            time.sleep(0.5)
        assert module._current is None  # noqa: SLF001
    lines = told(shown)
    first = [line.split(" …")[0].split(":")[0] for line in lines if line]
    order = list(dict.fromkeys(first))
    assert order == [
        "opening the inventory",
        "reading pictures",
        "updating the inventory",
    ]
    assert any("of 8" in line for line in lines)
    assert lines[-1] == ""  # nothing is left on the terminal


def test_a_quick_command_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch) as shown, activity("opening the inventory"):
        pass
    assert b"".join(shown) == b""


def test_a_note_does_not_run_into_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch) as shown, activity("reading a sheet"):
        time.sleep(0.4)
        with aside():
            time.sleep(0.4)  # nothing is drawn meanwhile
            before = len(shown)
        time.sleep(0.4)
    assert before == 0
    lines = told(shown)
    assert "" in lines[1:-1]  # erased before the note
    assert sum("reading a sheet" in line for line in lines) > 1


def test_an_activity_within_another_is_a_phase_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with watched(monkeypatch), activity("one") as outer:
        with activity("two") as inner:
            assert inner is outer
        show_phase("three")
        assert outer._phase.what == "three"  # noqa: SLF001


def test_it_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        with activity("copying"):
            time.sleep(0.4)
            raise ValueError("no")

    with watched(monkeypatch) as shown, pytest.raises(ValueError, match="no"):
        fail()
    assert told(shown)[-1] == ""
    assert module._current is None  # noqa: SLF001


def test_the_same_phase_again_keeps_its_count() -> None:
    one = Activity("learning")
    one.now("learning from the answers", 10)
    one.reach(5)
    one.now("learning from the answers", 10)
    assert one._done == 5  # noqa: SLF001


def test_a_scan_shows_its_phases_in_a_terminal(
    program: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 12)

    shown = in_a_terminal(program.command("scan", shop), program)
    quiet = in_a_terminal(program.command("scan", shop, "-q"), program)

    assert "opening the inventory" in shown
    assert shown.index("opening the inventory") < shown.index("Scan")
    assert quiet == ""


@pytest.mark.usefixtures("stock")
def test_commands_that_may_take_long_say_what_they_do(program: Tagger) -> None:
    copy, sheet = program.folder / "copy.db", program.folder / "sheet.csv"
    decided = program.folder / "decided.jsonl"
    for words, line in {
        ("check",): "checking the database …",
        ("backup", copy): "copying the inventory …",
        ("restore", copy): "copying the backup …",
        ("export", "-o", sheet): "exporting …",
        ("import", sheet): "comparing the sheet with the inventory …",
        ("decisions", "export", decided): "writing decisions …",
        ("decisions", "import", decided): "importing decisions …",
        ("review", "--plain"): "opening the review …",
    }.items():
        shown = in_a_terminal(program.command(*words), program, keys=b"q\n")
        assert line in shown
        logged = program(*words, answers="q\n")
        assert line not in logged.stdout + logged.stderr


def test_a_pipe_beside_the_terminal_stays_clean() -> None:
    """`tagger export | less`: less and the line would share the screen."""
    import pty

    ours, theirs = pty.openpty()
    code = (
        "import time; from tagger.cli.activity import activity\n"
        "with activity('exporting'): time.sleep(0.5)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
        timeout=60,
    )
    os.set_blocking(ours, False)
    with pytest.raises(BlockingIOError):
        os.read(ours, 1)
    os.close(theirs)
    os.close(ours)


def test_without_standard_streams_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with activity("copying"):
        assert module._current is None  # noqa: SLF001
