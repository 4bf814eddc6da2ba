"""A PostgreSQL server that is killed and started again, in the middle of the work."""

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from support import SAMPLES, FakeClassifier, wait_for
from support.inventories import ROOT, tagged
from support.postgres import Server, a_server, raw_server
from support.program import Tagger

from tagger.errors import ConnectionLostError, LockedError
from tagger.inventory import Inventory, postgres, scan_in_progress, scan_lock
from tagger.inventory.records import Answer, DecisionKind, Selection
from tagger.records import ImageFile
from tagger.system.database_url import DatabaseUrl

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that these tests may stop."""
    with a_server() as running:
        yield running


@pytest.fixture
def url(own_server: Server) -> Iterator[DatabaseUrl]:
    made = own_server.inventory()
    yield made
    own_server.drop(made)


def outcomes(first: int, number: int) -> list[tuple[ImageFile, object]]:
    return [
        (ImageFile(f"{n}.jpg", 1, 2), tagged(n, 0.3))
        for n in range(first, first + number)
    ]


def events(url: DatabaseUrl) -> int:
    with raw_server(url) as connection:
        ((number,),) = connection.execute("SELECT count(*) FROM event").fetchall()
    return int(number)


def test_what_was_recorded_before_and_after_a_restart_is_there_once(
    own_server: Server, url: DatabaseUrl, caplog: pytest.LogCaptureFixture
) -> None:
    with Inventory(url) as inventory, scan_lock(url, [ROOT]):
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            recording.record(ROOT, outcomes(0, 5), {}, {})  # type: ignore[arg-type]
            own_server.stop("immediate")
            again = threading.Timer(1, own_server.start)
            again.start()
            recording.record(ROOT, outcomes(5, 5), {}, {})  # type: ignore[arg-type]
            recording.finish([ROOT], exit_code=0, counts={})
            again.join()

        assert len(list(inventory.items())) == 10
        assert inventory.check(0, seed=1).damage == ()
        assert [run.exit_code for run in inventory.runs()] == [0]
        assert scan_in_progress(url) is not None  # the lock was taken again
        with pytest.raises(LockedError):
            scan_lock(url, [ROOT]).__enter__()
    assert events(url) == 0
    assert any("trying again" in record.message for record in caplog.records)


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_a_commit_without_an_answer_is_asked_for(
    own_server: Server, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    tries: list[str] = []

    def count_tries(*told: Any) -> None:  # noqa: ANN401
        if "INSERT INTO image" in told[2]:
            tries.append(told[2])

    with Inventory(url) as inventory:
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            engine = inventory._database._engine  # type: ignore[attr-defined]  # noqa: SLF001
            commit = engine.dialect.do_commit

            def lose_the_answer(connection: object) -> None:
                monkeypatch.undo()
                if when == "after the commit":
                    commit(connection)
                own_server.stop("immediate")
                own_server.start()
                commit(connection)
                connection.execute("SELECT 1")  # type: ignore[attr-defined]

            monkeypatch.setattr(engine.dialect, "do_commit", lose_the_answer)
            event.listen(engine, "before_cursor_execute", count_tries)
            recording.record(ROOT, outcomes(0, 5), {}, {})  # type: ignore[arg-type]
            known = recording.known(ROOT)
            recording.finish([ROOT], exit_code=0, counts={})

        assert len(known) == 5
        assert len(list(inventory.items())) == 5
    assert len(tries) == (1 if when == "after the commit" else 2)


def test_after_the_patience_one_line_says_so_and_a_later_scan_goes_on(
    own_server: Server, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.5)

    def scan(inventory: Inventory) -> None:
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            recording.record(ROOT, outcomes(0, 5), {}, {})  # type: ignore[arg-type]
            own_server.stop("immediate")
            recording.record(ROOT, outcomes(5, 5), {}, {})  # type: ignore[arg-type]

    with Inventory(url) as inventory:
        with pytest.raises(ConnectionLostError, match="is the server running"):
            scan(inventory)
        own_server.start()

        assert len(list(inventory.items())) == 5
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            recording.record(ROOT, outcomes(5, 5), {}, {})  # type: ignore[arg-type]
        assert len(list(inventory.items())) == 10


def test_the_patience_begins_when_the_server_is_lost(
    own_server: Server, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 5)
    done: list[int] = []

    def long_work() -> None:
        with inventory._database.writing() as connection:  # noqa: SLF001
            connection.exec_driver_sql("SELECT 1")
            if not done:
                done.append(1)
                time.sleep(5.5)  # as a policy for a million pictures takes
                own_server.stop("immediate")
                own_server.start()
            connection.exec_driver_sql("SELECT 1")
        done.append(2)

    with Inventory(url) as inventory:
        inventory._database.again(long_work)  # noqa: SLF001

    assert done == [1, 2]


def test_a_commit_without_an_answer_keeps_the_lock(
    own_server: Server, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Inventory(url) as inventory, scan_lock(url, [ROOT]):
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            engine = inventory._database._engine  # type: ignore[attr-defined]  # noqa: SLF001
            commit = engine.dialect.do_commit

            def lose_the_answer(connection: object) -> None:
                monkeypatch.undo()
                commit(connection)
                own_server.stop("immediate")
                own_server.start()
                connection.execute("SELECT 1")  # type: ignore[attr-defined]

            monkeypatch.setattr(engine.dialect, "do_commit", lose_the_answer)
            recording.record(ROOT, outcomes(0, 5), {}, {})  # type: ignore[arg-type]

        with pytest.raises(LockedError):
            scan_lock(url, [ROOT]).__enter__()


def test_a_review_goes_on_after_a_restart_between_two_answers(
    own_server: Server, url: DatabaseUrl
) -> None:
    with Inventory(url) as inventory:
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            recording.record(ROOT, outcomes(0, 5), {}, {})  # type: ignore[arg-type]
        with inventory.reviewing("anna", Selection()) as anna:
            (item,) = anna.take(1, without=())
            own_server.stop("fast")
            own_server.start()
            answer = Answer(item.digest, DecisionKind.NOT_CATALOGUE, None)

            assert len(anna.decide([answer], {item.digest: None}).ids) == 1


def test_a_scan_survives_the_restart_of_the_server(
    own_server: Server, url: DatabaseUrl, program: Tagger, shop: Path
) -> None:
    data = (SAMPLES / "skateboard.jpg").read_bytes()
    for number in range(300):
        (shop / f"{number}.jpg").write_bytes(data + number.to_bytes(4))
    program.use(url)
    process = subprocess.Popen(
        program.command("scan", shop, "--batch-size", 4, "--json"),
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: _images(url) > 20, 60)
    own_server.stop("immediate")
    time.sleep(1)
    own_server.start()

    _, errors = process.communicate(timeout=120)

    assert process.returncode == 0, errors
    assert "trying again" in errors
    assert _images(url) == 300
    assert events(url) == 0
    checked = program("check", "--sample", "1")
    assert checked.returncode == 0, checked.stdout


def _images(url: DatabaseUrl) -> int:
    with raw_server(url) as connection:
        ((number,),) = connection.execute("SELECT count(*) FROM image").fetchall()
    return int(number)
