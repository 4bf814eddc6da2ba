"""`tagger review` as a script, or a person at a terminal, meets it."""

import fcntl
import os
import pty
import re
import select
import shutil
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support import FakeClassifier, Photo, photo_with_other_bytes, scan, wait_for
from support.program import Tagger, in_a_terminal
from support.reviews import decided, order_of

from tagger.inventory import Inventory
from tagger.inventory.records import Decision, Order, Selection
from tagger.records import Adaptation, Outcome, Policy

pytestmark = pytest.mark.measured


class Program(Tagger):
    """Runs `tagger`, and reviews in it that are killed or held at a terminal."""

    def __init__(self, inventory: Inventory) -> None:
        super().__init__(inventory.path.parent)
        self.environment |= {"TAGGER_REVIEWER": "anna"}

    def killed_at(self, line: str, answers: str) -> None:
        """Review in lines, answers given, and die when a line with this text comes."""
        process = subprocess.Popen(
            self.command("review", "--plain"),
            env=self.environment | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(answers)
        process.stdin.flush()
        while line not in process.stdout.readline():
            pass
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def in_terminal(
        self,
        command: list[str],
        until: bytes = b"Ankle boot",
        **more: Any,  # noqa: ANN401  what Popen takes
    ) -> "tuple[subprocess.Popen[bytes], int]":
        """Run a command in a terminal of 90 by 30 until its first item is shown.

        Returns the process and our end of its terminal.
        """
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(ours, (30, 90))
        process = subprocess.Popen(
            command,
            env=self.environment | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            **more,
        )
        os.close(theirs)
        seen = b""
        while until not in seen:
            assert select.select([ours], [], [], 60)[0], "nothing is drawn"
            seen += os.read(ours, 65536)
        self.seen = seen
        return process, ours


@pytest.fixture
def tagger(tagger: Tagger) -> Tagger:
    tagger.environment |= {"TAGGER_REVIEWER": "anna"}
    return tagger


@pytest.fixture
def program(queue: Inventory) -> Program:
    return Program(queue)


def test_a_script_answers_line_by_line(program: Program, queue: Inventory) -> None:
    done = program("review", "--plain", answers="\n8\nx\ns\nq\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(decided(queue)) == 3
    assert "3 decided" in done.stdout


def test_what_is_no_terminal_is_asked_in_lines_and_told_why(
    program: Program, queue: Inventory
) -> None:
    done = program("review", "--limit", 1, "--order", "path", answers="8\n")

    assert done.returncode == 0
    assert (
        done.stderr == "this is not a terminal: asking line by line, as with --plain\n"
    )
    assert decided(queue) == {"0.png": ("Bag", "correct")}


def test_an_earlier_decision_is_taken_up_again(
    tagger: Tagger, queue: Inventory, shop: Path
) -> None:
    tagger("review", "--plain", "--limit", 1, "--order", "path", answers="8\n")
    path = shop / "0.png"
    done = tagger("review", "--plain", "--redo", path, answers="2\n8\n")

    assert done.returncode == 0
    assert "anna said Bag" in done.stdout
    assert "Bag? (Enter" in done.stdout
    assert decided(queue)["0.png"] == ("Pullover", "correct")
    assert {i.tag for i in queue.items() if i.path == "0.png"} == {"Pullover"}


@pytest.mark.parametrize("plain", [(), ("--plain",)])
def test_nothing_to_review_is_told_in_a_line(
    tagger: Tagger, queue: Inventory, plain: tuple[str, ...]
) -> None:
    filtered = tagger("review", *plain, "--since", "2099-01-01")
    tagger("review", "--plain", answers="8\n" * 5)
    done = tagger("review", *plain)

    assert len(decided(queue)) == 5
    assert (filtered.returncode, filtered.stderr) == (0, "")
    assert filtered.stdout == "Nothing waits with these filters.\n"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Nothing waits for review.\n"


def test_a_terminal_is_not_cleared_for_nothing(
    program: Program, queue: Inventory
) -> None:
    program("review", "--plain", answers="8\n" * 5)
    assert len(decided(queue)) == 5

    command = program.command("review")
    process, ours = program.in_terminal(command, b"tagger export")
    os.close(ours)

    assert process.wait(timeout=60) in (0, 129)
    assert b"Nothing waits for review." in program.seen
    assert b"\x1b[?1049h" not in program.seen


def test_an_unfinished_audit_says_how_to_go_on_and_no_more(
    program: Program, inventory: Inventory, shop: Path, photo: Photo
) -> None:
    for number in range(4):
        photo(f"{number}.png", 40 + 40 * number)
    scan([shop], inventory, FakeClassifier(), Policy(0.0))

    process, ours = program.in_terminal(program.command("review", "--audit", "4"))
    time.sleep(1)
    os.write(ours, b"8")
    wait_for(lambda: len(decided(inventory)) == 1)
    time.sleep(1)
    os.write(ours, b"q")
    drawn = the_rest(ours)
    assert process.wait(timeout=60) == 0
    after = drawn.partition(b"\x1b[?1049l")[2]
    assert b"1 of 4 checked." in after
    assert b"Next: tagger review --audit 3" in after
    assert b"%" not in after

    more_done = program("review", "--plain", "--audit", 3, answers="8\nq\n")
    finished = program("review", "--plain", "--audit", 2, answers="8\n8\n")

    assert more_done.stdout.endswith("2 of 4 checked.\n")
    assert "95 %" not in more_done.stdout
    assert "4 of 4" in finished.stdout
    assert "95 %" in finished.stdout


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--redo", "/none.png"), 1, "tagger explain"),
        (("--root", "/none"), 1, "is not a scanned folder"),
        (("--tag", "Hat"), 1, "choose one of T-shirt/top"),
        (("--item-pattern", "("), 2, "--item-pattern"),
        (("--item-pattern", "[0-9]+"), 2, "no group"),
        (("--reviewer", " "), 2, "--reviewer"),
        (("--audit", "5"), 1, "no accepted pictures"),
    ],
)
def test_what_cannot_be_reviewed_is_told_in_one_line(
    tagger: Tagger, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = tagger("review", "--plain", *arguments)

    assert done.returncode == status
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_decisions_move_to_another_machine(
    tagger: Tagger, queue: Inventory, tmp_path: Path
) -> None:
    tagger("review", "--plain", answers="8\nn torn\nx\nu\n4\nq\n")
    file, other = tmp_path / "decisions.jsonl", tmp_path / "other.db"

    written = tagger("decisions", "export", file)
    first = tagger("decisions", "import", file, "--db", other)
    second = tagger("decisions", "import", file, "--db", other)

    assert written.returncode == first.returncode == second.returncode == 0
    assert "3 new decisions" in first.stdout
    assert "0 new decisions, 3 known already" in second.stdout
    with Inventory(other) as there:
        mine = [
            (d.answer if isinstance(d, Decision) else d) for d, _ in queue.decisions()
        ]
        theirs = [
            (d.answer if isinstance(d, Decision) else d) for d, _ in there.decisions()
        ]
    assert mine == theirs


def test_a_killed_session_has_lost_nothing_and_its_lease_runs_out(
    program: Program, queue: Inventory
) -> None:
    program.killed_at("2 of", "8\n")

    assert [tag for tag, _ in decided(queue).values()] == ["Bag"]
    with closing(sqlite3.connect(queue.path)) as raw:
        held = raw.execute("SELECT count(*) FROM lease").fetchone()[0]
        assert held > 0
        assert len(order_of(queue)) == 4 - held
        raw.execute("UPDATE lease SET until = '2001-01-01T00:00:00.000000Z'")
        raw.commit()
    assert len(order_of(queue)) == 4


def test_of_two_hundred_decisions_a_kill_in_the_middle_costs_none(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    photo_with_other_bytes(200, photo, shop)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    program = Program(inventory)
    program.killed_at("101 of", "8\n" * 200)

    saved = len(decided(inventory))
    assert 100 <= saved < 200
    with closing(sqlite3.connect(inventory.path)) as raw:
        raw.execute("UPDATE lease SET until = '2001-01-01T00:00:00.000000Z'")
        raw.commit()
    done = program("review", "--plain", answers="8\n" * (200 - saved))
    assert f"{200 - saved} decided" in done.stdout
    assert [tag for tag, _ in decided(inventory).values()] == ["Bag"] * 200


def test_much_comes_by_lot_and_says_so_until_a_network_has_learnt_the_shop(
    tagger: Tagger, inventory: Inventory, shop: Path, photo: Photo
) -> None:
    photo_with_other_bytes(60, photo, shop)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))

    def told(*options: object) -> bool:
        done = tagger("review", "--plain", "--limit", 1, *options, answers="8\n")
        assert "1 decided" in done.stdout
        return "tagger model adapt" in done.stdout

    assert not told("--order", "confidence")
    with inventory.reviewing("anna", Selection(order=Order.RANDOM)) as reviewing:
        (next_one,) = reviewing.take(1, without=())
    assert told()
    *_, (last, _) = inventory.decisions()
    assert isinstance(last, Decision)
    assert last.answer.digest == next_one.digest
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    inventory.record_adaptation(
        Adaptation(0, moment, Outcome.PROMOTED, "s-1", True, "", "", 60, 60, {}, "")
    )
    assert not told()


def test_the_screen_is_drawn_while_decoders_are_silenced(program: Program) -> None:
    """A decoder at work for ever: standard error goes nowhere from the beginning."""
    silenced = (
        "import sys; from tagger.__main__ import main;"
        "from tagger.system import native_stderr; native_stderr._suppression.begin();"
        "sys.argv = ['tagger', 'review', '--order', 'path']; main()"
    )
    process, ours = program.in_terminal([sys.executable, "-c", silenced])
    os.write(ours, b"q")
    the_rest(ours)

    assert process.wait(timeout=60) == 0


def the_rest(ours: int) -> bytes:
    """Return what a program still draws on a terminal until it leaves; close that."""
    drawn = b""
    with suppress(OSError):  # it has left
        while more := os.read(ours, 65536):
            drawn += more
    os.close(ours)
    return drawn


def control() -> None:
    """Make the terminal the controlling one: the kernel then sends SIGHUP."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("prepare", [control, None], ids=["SIGHUP", "no signal"])
def test_a_line_that_drops_costs_no_decision(
    program: Program, queue: Inventory, prepare: Callable[[], None] | None
) -> None:
    process, ours = program.in_terminal(
        program.command("review", "--order", "path"),
        start_new_session=True,
        preexec_fn=prepare,
    )
    time.sleep(1)
    os.write(ours, b"8")  # and nobody reads what is drawn: the line stalls
    wait_for(lambda: len(decided(queue)) == 1)

    os.close(ours)  # as when the line is gone

    assert process.wait(timeout=60) == 129
    assert decided(queue) == {"0.png": ("Bag", "correct")}


@pytest.mark.parametrize("no", ["1", ""])
def test_without_colours_the_screen_is_in_shades_of_gray(
    program: Program, queue: Inventory, no: str
) -> None:
    program.environment |= {"NO_COLOR": no, "COLORTERM": "truecolor"}
    command = program.command("review", "--order", "path")
    process, ours = program.in_terminal(command)
    drawn = program.seen
    time.sleep(1)
    os.write(ours, b"8")
    wait_for(lambda: len(decided(queue)) == 1)
    os.write(ours, b"q")
    drawn += the_rest(ours)

    assert process.wait(timeout=60) == 0
    assert b"\x1b[?1049h" in drawn, "the screen of its own"
    shades = re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", drawn)
    assert shades
    assert all(red == green == blue for red, green, blue in shades)


def test_the_shell_gets_what_is_typed_for_it(
    program: Program, queue: Inventory
) -> None:
    """Ctrl-Z goes to the shell; what is typed there, and ahead of fg, is no answer."""
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("no tmux")
    socket = ["-L", f"tagger-shell-{os.getpid()}"]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [tmux, *socket, "-f", "/dev/null", *arguments],
            env=program.environment | {"TERM": "xterm-256color", "PS1": "shell: "},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def shows(text: str) -> bool:
        return text in run("capture-pane", "-p")

    run("new-session", "-d", "-x", "90", "-y", "30", "bash --norc -i")
    try:
        command = " ".join(program.command("review", "--order", "path"))
        run("send-keys", command, "Enter")
        wait_for(lambda: shows("shop/0.png") and shows("Ankle boot"))
        time.sleep(1)
        run("send-keys", "C-z")
        wait_for(lambda: shows("Stopped"))
        run("send-keys", "echo 8$((40+2))8", "Enter")
        wait_for(lambda: shows("8428"))
        run("send-keys", "fg", "Enter", "8", "8", "8")
        wait_for(lambda: shows("shop/0.png") and shows("Ankle boot"))
        time.sleep(1)
        assert decided(queue) == {}
        run("send-keys", "8")
        wait_for(lambda: shows("✓ 0.png: Bag"))
    finally:
        run("kill-server")
    assert decided(queue) == {"0.png": ("Bag", "correct")}


def test_the_end_is_told_once(program: Program, queue: Inventory) -> None:
    command = program.command("review", "--order", "path", "--limit", 1)
    process, ours = program.in_terminal(command)
    time.sleep(1)
    os.write(ours, b"8")
    wait_for(lambda: len(decided(queue)) == 1)
    time.sleep(1)
    os.write(ours, b"q")
    drawn = the_rest(ours)

    assert process.wait(timeout=60) == 0
    on_screen, _, after = drawn.partition(b"\x1b[?1049l")
    assert b"network was right" in on_screen
    assert b"network was right" not in after
    assert after.count(b"1 decided") == 1
    assert after.count(b"Next: ") == 1


def test_in_a_real_terminal(program: Program, queue: Inventory) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("no tmux")
    socket = ["-L", f"tagger-test-{os.getpid()}"]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [tmux, *socket, "-f", "/dev/null", *arguments],
            env=program.environment | {"TERM": "xterm-256color"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def shows(text: str) -> bool:
        return text in run("capture-pane", "-p")

    command = " ".join(program.command("review", "--order", "path"))
    run("new-session", "-d", "-x", "90", "-y", "30", f"{command}; echo left $?; cat")
    try:
        wait_for(lambda: shows("0.png") and shows("Ankle boot"))
        time.sleep(1)
        run("send-keys", "8")
        wait_for(lambda: shows("✓ 0.png: Bag") and shows("shop/1.png"))
        assert shows("▀▀▀▀▀▀")
        time.sleep(0.5)
        run("send-keys", "u")
        wait_for(lambda: shows("shop/0.png"))
        time.sleep(0.5)
        run("send-keys", "Enter")
        wait_for(lambda: shows("shop/1.png"))
        run("send-keys", "C-c")
        wait_for(lambda: shows("left 130"))
        assert shows("1 decided")
    finally:
        run("kill-server")
    assert len(decided(queue)) == 1
    with closing(sqlite3.connect(queue.path)) as raw:
        assert raw.execute("SELECT count(*) FROM lease").fetchone() == (0,)


def test_the_next_step_after_a_redo_is_that_of_the_inventory(
    program: Program, queue: Inventory, shop: Path
) -> None:
    redo = ("review", "--plain", "--redo", str(shop / "0.png"))

    waiting = in_a_terminal(program.command(*redo), program, keys=b"8\n")
    program("review", "--plain", answers="8\n" * 5)
    decided_all = in_a_terminal(program.command(*redo), program, keys=b"q\n")

    assert len(decided(queue)) == 5
    assert "Next: 'tagger review'" in waiting
    assert "Next: 'tagger export" in decided_all
