"""Real processes, really killed."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import AT_ONCE, SAMPLES, FakeClassifier, scan

from tagger.errors import WorkerError
from tagger.imaging import pool
from tagger.imaging.pool import Prepared, Workers, _Task, answer
from tagger.imaging.prepare import digest_of, prepare
from tagger.imaging.sources import Source
from tagger.inventory import Inventory
from tagger.records import Policy, PreparedImage, UnreadableImage
from tagger.scan.records import RunSummary
from tagger.storage import Content

pytestmark = pytest.mark.measured

Hostile = Callable[[str], None]

HOSTILE = """
import os, signal, sys, time
if sys.orig_argv[1:2] == ["-c"] and "serve" in sys.orig_argv[2]:
    from tagger.imaging import pool
    from tagger.imaging import prepare as module
    pool.SECONDS = 5
    real = module.prepare
    def prepare(path):
        if path.name.startswith("crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if path.name.startswith("exit"):
            os._exit(0)
        if path.name.startswith("stuck"):
            while True:
                pass
        if path.name.startswith("talk"):
            print("hello from a library", flush=True)
            os.write(1, b"and from its C part")
        return real(path)
    module.prepare = prepare
"""
"""Stands in for decoders with such faults; nothing else of the workers is false."""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hostile:
    """Have worker processes run some lines as they start."""

    def begin(lines: str) -> None:
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(lines)
        before = os.environ.get("PYTHONPATH", "")
        monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{before}")

    return begin


def copies(folder: Path, *names: str) -> list[Path]:
    for name in names:
        shutil.copy(SAMPLES / "tiny.png", folder / name)
    return [folder / name for name in names]


def test_workers_say_what_would_be_said_here_in_the_order_asked() -> None:
    paths = sorted(SAMPLES.iterdir()) * 3

    with Workers(2) as crew:
        found = list(crew.prepare(paths))

    for path, result in zip(paths, found, strict=True):
        expected = prepare(path)
        if isinstance(expected, PreparedImage):
            assert isinstance(result, PreparedImage), path
            np.testing.assert_array_equal(result.pixels, expected.pixels)
            assert result.width == expected.width
        assert result.digest == expected.digest
        assert type(result) is type(expected)


def contents(paths: Iterable[Path]) -> list[Content]:
    return [Content(path.name, path.read_bytes()) for path in paths]


def test_contents_are_prepared_as_the_files_that_they_are_of() -> None:
    paths = [path for path in sorted(SAMPLES.iterdir()) if path.is_file()]
    lost = UnreadableImage("not there")
    mixed: list[Source] = [*contents(paths), lost, *paths]

    with Workers(2) as crew:
        found = list(crew.prepare(mixed))

    half = len(paths)
    assert found[half] is lost
    for of_content, of_path in zip(found[:half], found[half + 1 :], strict=True):
        assert of_content.digest == of_path.digest is not None
        assert type(of_content) is type(of_path)


def test_more_content_than_pipes_hold_waits_for_the_workers(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(
        (SAMPLES / "tiny.png").read_bytes() + bytes(5 * 2**20)
    )
    large = contents([tmp_path / "large.png"]) * 30

    with Workers(2) as crew:
        found = list(crew.prepare(large))

    assert {result.digest for result in found} == {digest_of(large[0].data)}


def test_content_that_crashes_its_decoder_costs_one_picture(
    tmp_path: Path, hostile: Hostile
) -> None:
    hostile(HOSTILE)
    names = [f"{number}.png" for number in range(6)]
    names[3] = "crash.png"
    sources = contents(copies(tmp_path, *names))

    with Workers(2) as crew:
        found = list(crew.prepare(sources))

    assert [type(result) for result in found].count(UnreadableImage) == 1
    assert isinstance(found[3], UnreadableImage)
    assert found[3].digest == digest_of(sources[3].data)


def test_the_first_wait_is_used_once_and_only_where_there_is_one(
    tmp_path: Path,
) -> None:
    used: list[str] = []

    with Workers(1, meanwhile=lambda: used.append("meanwhile")) as crew:
        assert not list(crew.prepare([]))
        assert not used
        for name in ("a.png", "b.png"):
            list(crew.prepare(copies(tmp_path, name)))

    assert used == ["meanwhile"]


@pytest.mark.parametrize("name", ["crash.png", "exit.png"])
def test_a_decoder_that_crashes_costs_one_picture(
    tmp_path: Path, hostile: Hostile, name: str
) -> None:
    hostile(HOSTILE)
    paths = copies(tmp_path, "a.png", name, "b.png", "c.png")

    with Workers(1) as crew:
        found = list(crew.prepare(paths))

    digest = digest_of(paths[1].read_bytes())
    assert found[1] == UnreadableImage("the decoder crashed", digest)
    assert [isinstance(one, PreparedImage) for one in found] == [
        True,
        False,
        True,
        True,
    ]


def test_a_picture_that_ended_its_worker_is_not_decoded_again_every_night(
    shop: Path,
    inventory: Inventory,
    classifier: FakeClassifier,
    hostile: Hostile,
) -> None:
    hostile(HOSTILE)
    copies(shop, "a.png", "crash.png")
    asked: list[str] = []

    def night(*, retry_errors: bool = False) -> RunSummary:
        def prepare_all(sources: Iterable[Source]) -> Iterator[Prepared]:
            wanted = list(sources)
            asked.extend(one.name for one in wanted if isinstance(one, Path))
            return crew.prepare(wanted)

        options = replace(AT_ONCE, retry_errors=retry_errors)
        with Workers(1) as crew:
            return scan(
                [shop],
                inventory,
                classifier,
                Policy(0.9),
                options=options,
                prepare_all=prepare_all,
            )

    first, second = night(), night()
    assert (first.unreadable, second.unreadable, second.unchanged) == (1, 1, 2)
    assert asked == ["a.png", "crash.png"]

    night(retry_errors=True)
    os.utime(shop / "crash.png", ns=(1, 1))
    night()
    assert asked[2:] == ["crash.png", "crash.png"]


def test_what_cannot_be_read_here_either_has_no_digest(tmp_path: Path) -> None:
    assert pool.digest_of(tmp_path / "gone.png") is None
    assert pool.digest_of(tmp_path) is None


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer there")
def test_a_decoder_that_never_ends_costs_one_picture_and_its_time(
    tmp_path: Path, hostile: Hostile
) -> None:
    hostile(HOSTILE)
    paths = copies(tmp_path, "stuck.png", "b.png")

    with Workers(1) as crew:
        found = list(crew.prepare(paths))

    assert isinstance(found[0], UnreadableImage)
    assert "takes longer than" in found[0].reason
    assert found[0].digest == digest_of(paths[0].read_bytes())
    assert isinstance(found[1], PreparedImage)


def test_what_libraries_print_is_not_taken_for_an_answer(
    tmp_path: Path, hostile: Hostile
) -> None:
    hostile(HOSTILE)

    with Workers(1) as crew:
        found = list(crew.prepare(copies(tmp_path, "talk.png", "b.png")))

    assert all(isinstance(one, PreparedImage) for one in found)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts all memory")
def test_a_picture_that_wants_too_much_memory_is_unreadable(
    tmp_path: Path, hostile: Hostile
) -> None:
    hostile(HOSTILE.replace("pool.SECONDS = 5", "pool.MEMORY_BYTES = 100 * 2**20"))
    paths = [*copies(tmp_path, "a.png"), SAMPLES / "huge.jpg"]
    large = tmp_path / "large.png"
    from PIL import Image

    Image.new("RGB", (9000, 9000)).save(large)

    with Workers(1) as crew:
        found = list(crew.prepare([*paths, large]))

    assert [type(one) for one in found[:2]] == [PreparedImage, PreparedImage]
    assert isinstance(found[2], UnreadableImage)
    assert found[2].reason == "takes too much memory to decode"
    assert found[2].digest is not None


def test_a_worker_that_cannot_start_ends_the_scan_and_blames_no_picture(
    tmp_path: Path, hostile: Hostile
) -> None:
    hostile("import sys\nif sys.orig_argv[1:2] == ['-c']: raise SystemExit(1)")

    with Workers(1) as crew, pytest.raises(WorkerError, match="--debug"):
        list(crew.prepare(copies(tmp_path, "a.png")))


def test_workers_that_are_killed_from_outside_cost_no_picture(tmp_path: Path) -> None:
    paths = copies(tmp_path, *(f"{number}.png" for number in range(200)))
    found = []

    with Workers(2) as crew:
        for result in crew.prepare(paths):
            found.append(result)
            if len(found) == 5:
                for worker in crew._workers:  # noqa: SLF001
                    os.kill(worker._process.pid, signal.SIGKILL)  # noqa: SLF001

    assert len(found) == 200
    assert not [one for one in found if isinstance(one, UnreadableImage)]


def test_a_worker_that_is_killed_as_it_starts_costs_nothing(tmp_path: Path) -> None:
    paths = copies(tmp_path, *(f"{number}.png" for number in range(200)))

    with Workers(2) as crew:
        found = crew.prepare(paths)
        crew._hand_out(_Task(paths[0]))  # noqa: SLF001  the first is started, and dies
        os.kill(crew._workers[0]._process.pid, signal.SIGKILL)  # noqa: SLF001

        assert not [one for one in found if isinstance(one, UnreadableImage)]


def test_no_worker_is_started_for_nothing() -> None:
    with Workers() as crew:
        assert list(crew.prepare([])) == []
        assert crew._workers == []  # noqa: SLF001


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_is_left_behind_when_the_parent_is_killed(
    tmp_path: Path, hostile: Hostile
) -> None:
    hostile(HOSTILE)
    copies(tmp_path, "stuck.png", *(f"{number}.png" for number in range(20)))
    database = str(tmp_path / "inventory.db")
    command = [sys.executable, "-m", "tagger", "scan", str(tmp_path), "--db", database]
    command += ["--settle", "0"]  # the pictures are a moment old
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    children: list[str] = []
    while not children:
        assert process.poll() is None
        children = children_of(process.pid)
        time.sleep(0.01)

    process.kill()
    process.wait()

    until = time.monotonic() + 30
    while any(alive(child) for child in children):
        assert time.monotonic() < until, "a worker outlives its parent"
        time.sleep(0.05)


def children_of(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for task in tasks for child in task.read_text().split()]


def alive(pid: str) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_answers_are_given_until_the_requests_end(tmp_path: Path) -> None:
    (path,) = copies(tmp_path, "a.png")
    requests, replies = io.BytesIO(), io.BytesIO()
    for name in (path, tmp_path / "gone.png"):
        pool._write(requests, os.fsencode(name))  # noqa: SLF001
    requests.write(b"half a req")
    requests.seek(0)

    answer(requests, replies, prepare)

    replies.seek(0)
    assert pool._read(replies) == (b"ready", b"")  # noqa: SLF001
    first, second = pool._read(replies), pool._read(replies)  # noqa: SLF001
    assert first
    assert second
    assert isinstance(pool._unpacked(first), PreparedImage)  # noqa: SLF001
    gone = UnreadableImage("No such file or directory")
    assert pool._unpacked(second) == gone  # noqa: SLF001
