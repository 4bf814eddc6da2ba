"""An inventory on a PostgreSQL server: what differs from a file."""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, event
from support import FakeClassifier
from support.inventories import ROOT, record_names, tagged
from support.postgres import CLOSED_USER, Server, raw_server

from tagger.errors import (
    ConnectionLostError,
    InventoryBusyError,
    InventoryError,
    LockedError,
    NoInventoryError,
)
from tagger.inventory import (
    Inventory,
    mapping,
    postgres,
    reviewing,
    rewriting,
    scan_in_progress,
    scan_lock,
    sqlite_file,
)
from tagger.inventory.database import REVISIONS
from tagger.inventory.postgres import PostgresServer
from tagger.inventory.records import Answer, DecisionKind, Selection
from tagger.inventory.tables import METADATA, name_from, stored_name
from tagger.records import ImageFile
from tagger.system.database_url import DatabaseUrl

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(server: Server) -> Iterator[DatabaseUrl]:
    made = server.inventory()
    yield made
    server.drop(made)


@pytest.fixture
def blank(server: Server) -> Iterator[DatabaseUrl]:
    made = server.blank()
    yield made
    server.drop(made)


def test_the_tables_are_those_of_a_file(url: DatabaseUrl) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: postgres.connect(url)
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        difference = compare_metadata(context, METADATA)
    engine.dispose()

    assert difference == []


@pytest.mark.parametrize(
    "kind", ["CREATE TABLE", "CREATE INDEX", "CREATE VIEW", "CONSTRAINT"]
)
def test_both_schemas_name_the_same_things(kind: str) -> None:
    named = re.compile(rf"\b{kind} (\w+)")
    scripts = (sqlite_file.SCHEMA.read_text(), postgres.SCHEMA.read_text())

    in_file, on_server = (set(named.findall(script)) for script in scripts)

    assert in_file
    # A view for its triggers, which SQLite repeats in each.
    assert on_server - {"must_wait"} == in_file


def test_all_text_is_sorted_by_its_bytes(url: DatabaseUrl) -> None:
    with raw_server(url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
            " AND data_type IN ('text', 'character varying')"
            " AND collation_name IS DISTINCT FROM 'C'"
        ).fetchall()

    assert rows == []


@given(st.binary(min_size=1, max_size=20))
def test_every_name_is_stored_as_text_and_comes_back(raw: bytes) -> None:
    name = os.fsdecode(raw)

    text = stored_name(name)

    text.encode("utf-8")  # it is valid
    assert name_from(text) == name


@given(st.text("\udc80\udcff\U0010ff00\U0010ffffaé", min_size=1).map(str))
def test_names_that_look_like_stored_bytes_come_back_too(name: str) -> None:
    name = os.fsdecode(os.fsencode(name))

    assert name_from(stored_name(name)) == name


def test_no_two_names_are_stored_as_one_text() -> None:
    names = ["\U0010ffe9", "\udce9", "é", "\U0010fff4\U0010ff8f\U0010ffbf\U0010ffa9"]

    assert len({stored_name(name) for name in names}) == len(names)


def test_names_of_any_bytes_are_found_again(url: DatabaseUrl) -> None:
    names = ["a\udcff.jpg", "\U0010ffff", "caf\udce9/b", "plain"]
    with Inventory(url) as inventory:
        record_names(inventory, ROOT, names)

        assert {item.path for item in inventory.items()} == set(names)
        for name in names:
            assert inventory.history(ROOT / name) is not None


def test_an_absent_inventory_is_not_made_by_reading(blank: DatabaseUrl) -> None:
    with pytest.raises(NoInventoryError, match="tagger scan"):
        Inventory(blank, create=False)

    with raw_server(blank) as connection:
        tables = "SELECT * FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(tables).fetchall() == []
    with Inventory.scratch_copy(blank) as copy:
        assert list(copy.items()) == []


def test_another_programs_database_is_refused_and_left_alone(
    blank: DatabaseUrl,
) -> None:
    with raw_server(blank) as connection, connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")

    for create in (True, False):
        with pytest.raises(InventoryError, match="another program's"):
            Inventory(blank, create=create)


def test_a_newer_schema_is_refused(url: DatabaseUrl) -> None:
    with raw_server(url) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(InventoryError, match=r"newer tagger.*upgrade"):
        Inventory(url)


def test_two_programs_may_make_the_inventory_at_once(blank: DatabaseUrl) -> None:
    errors: list[BaseException] = []

    def make() -> None:
        try:
            Inventory(blank).__exit__()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    with raw_server(blank) as connection:
        rows = connection.execute("SELECT * FROM alembic_version").fetchall()
    assert rows == [(REVISIONS[-1],)]


def test_what_cannot_be_reached_is_one_line_that_says_what_to_do(
    server: Server, url: DatabaseUrl
) -> None:
    absent = server.url("absent")
    nobody = DatabaseUrl(f"postgresql://stranger@/{url.name}?host={server.folder}")
    nowhere = DatabaseUrl("postgresql://tagger@127.0.0.1:1/shop?password=swordfish")

    for place, wanted in (
        (absent, "createdb absent"),
        (nobody, "stranger"),
        (nowhere, "is the server running"),
    ):
        with pytest.raises(InventoryError) as caught:
            Inventory(place)
        message = str(caught.value)
        assert wanted in message
        assert "\n" not in message
        assert "swordfish" not in message


@pytest.fixture
def guarded(server: Server) -> Iterator[str]:
    """A role that the server asks for its password: "swordfish"."""
    rules = server.data / "pg_hba.conf"
    before = rules.read_text()
    server.do("CREATE ROLE guarded LOGIN PASSWORD 'swordfish'")
    rules.write_text("local all guarded scram-sha-256\n" + before)
    server.do("SELECT pg_reload_conf()")
    yield "guarded"
    rules.write_text(before)
    server.do("SELECT pg_reload_conf()")
    server.do("DROP ROLE guarded")


def _why_refused(server: Server, name: str, user: str, word: str) -> str:
    url = f"postgresql://{user}:{word}@/{name}?host={server.folder}"
    with pytest.raises(InventoryError) as caught:
        Inventory(DatabaseUrl(url))
    message = str(caught.value)
    assert "\n" not in message
    assert word not in message
    return message


def test_a_password_is_blamed_only_if_it_is_wrong(
    server: Server, url: DatabaseUrl, guarded: str
) -> None:
    server.do(f"REVOKE CONNECT ON DATABASE {url.name} FROM PUBLIC")
    end = time.monotonic() + 20  # until the server has read its rules again
    while "~/.pgpass" not in _why_refused(server, url.name, guarded, "herring"):
        assert time.monotonic() < end
        time.sleep(0.05)

    absent = _why_refused(server, "gr%C3%B6%C3%9Fe%20laden", guarded, "swordfish")
    closed = _why_refused(server, url.name, guarded, "swordfish")

    assert "createdb 'größe laden'" in absent
    assert "right to connect" in closed
    assert "password" not in absent + closed


def test_a_password_comes_from_the_url_or_the_environment_and_is_never_told(
    server: Server, url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", os.devnull)
    server.do(f"CREATE ROLE {CLOSED_USER} LOGIN SUPERUSER PASSWORD 'swordfish'")
    plain = url.secret.replace("tagger@", f"{CLOSED_USER}@")
    try:
        for wrong in (plain, plain + "&password=catfish"):
            with pytest.raises(
                InventoryError, match=r"PGPASSWORD or in ~/\.pgpass"
            ) as it:
                Inventory(DatabaseUrl(wrong))
            assert "catfish" not in str(it.value)

        Inventory(DatabaseUrl(plain + "&password=swordfish")).__exit__()
        monkeypatch.setenv("PGPASSWORD", "swordfish")
        Inventory(DatabaseUrl(plain)).__exit__()
    finally:
        server.do(f"DROP ROLE {CLOSED_USER}")


def _end_session_while_reading(server: PostgresServer) -> None:
    with server.reading() as connection:
        with raw_server(server.place, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        connection.exec_driver_sql("SELECT 1")


def test_a_session_that_the_server_ended_says_what_to_do(url: DatabaseUrl) -> None:
    server = PostgresServer(url, create=True)
    try:
        with pytest.raises(ConnectionLostError, match="run again") as caught:
            _end_session_while_reading(server)

        with server.reading() as connection:  # a new one is opened
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    finally:
        server.close()
    assert "\n" not in str(caught.value)


def test_a_role_without_the_right_to_write_can_read(
    server: Server, url: DatabaseUrl
) -> None:
    with Inventory(url) as inventory:
        record_names(inventory, ROOT, ["a.jpg"])
    with raw_server(url) as connection, connection:
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    place = DatabaseUrl(url.secret.replace("tagger@", "reader@"))
    try:
        with Inventory(place) as inventory:
            assert inventory.status().states
            with pytest.raises(InventoryError, match="right"):
                inventory.add_tag("Shorts", "anna")
        with Inventory.scratch_copy(place) as copy:
            record_names(copy, ROOT, ["b.jpg"])
            assert len(list(copy.items())) == 2
    finally:
        with raw_server(url) as connection, connection:
            connection.execute("DROP OWNED BY reader")
        server.do("DROP ROLE reader")


def test_a_writer_waits_for_another_and_then_says_so(
    url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "BUSY_SECONDS", 0.1)
    with Inventory(url) as one, Inventory(url) as other:
        with (
            one._database.writing(),  # noqa: SLF001
            pytest.raises(InventoryBusyError, match="in use by another program"),
        ):
            other.add_tag("Shorts", "anna")

        assert other.add_tag("Shorts", "anna")


def test_a_scan_waits_longer_for_the_transaction_of_another(
    url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "BUSY_SECONDS", 0.1)
    outcomes = [(ImageFile("0.jpg", 1, 2), tagged(0, 0.3))]
    with (
        Inventory(url) as one,
        Inventory(url) as other,
        other.recording(FakeClassifier().identity, options={}) as recording,
        ExitStack() as long,
    ):
        long.enter_context(one._database.writing())  # noqa: SLF001
        end = threading.Timer(1, long.close)
        end.start()

        recording.record(ROOT, outcomes, {}, {})

        end.join()
        assert len(list(other.items())) == 1


def test_readers_and_reviewers_do_not_wait_for_a_scans_transaction(
    url: DatabaseUrl,
) -> None:
    with Inventory(url) as scanning, Inventory(url) as reviewing:
        with scanning.recording(FakeClassifier().identity, options={}) as recording:
            outcomes = [(ImageFile(f"{n}.jpg", 1, 2), tagged(n, 0.3)) for n in range(5)]
            recording.record(ROOT, outcomes, {}, {})
        with scanning._database.writing() as connection:  # noqa: SLF001
            connection.exec_driver_sql("UPDATE image SET reason = 'busy'")
            begun = time.monotonic()
            with reviewing.reviewing("anna", Selection()) as opened:
                (item,) = opened.take(1, without=())
                opened.renew()
                opened.release([item.digest])
            assert len(list(reviewing.items())) == 5
            assert time.monotonic() - begun < 5


def test_a_snapshot_stays_as_it_was(url: DatabaseUrl) -> None:
    with Inventory(url) as inventory, Inventory(url) as other:
        record_names(inventory, ROOT, [f"{n}.jpg" for n in range(5)])
        items = inventory.items()
        first = next(items)
        record_names(other, ROOT, ["0 new.jpg", "9 new.jpg"])

        assert len([first, *items]) == 5


def test_scans_of_different_folders_run_at_once(url: DatabaseUrl) -> None:
    with scan_lock(url, [Path("/srv/shoes")]), scan_lock(url, [Path("/srv/hats")]):
        assert scan_in_progress(url) is not None
        for folders in (
            [Path("/srv/shoes")],
            [Path("/srv/shoes/red")],
            [Path("/srv")],
            [Path("/elsewhere"), Path("/srv/hats")],
            None,  # what needs the whole inventory
        ):
            with pytest.raises(LockedError, match=r"pid \d+ on "):
                scan_lock(url, folders).__enter__()
        with scan_lock(url, [Path("/srv/shoes2")]):
            pass

    assert scan_in_progress(url) is None
    with (
        scan_lock(url),
        pytest.raises(LockedError),
        scan_lock(url, [Path("/elsewhere")]),
    ):
        pass


def test_folders_of_one_root_are_not_scanned_at_once(url: DatabaseUrl) -> None:
    with Inventory(url) as inventory:
        record_names(inventory, Path("/srv/shop"), ["a/1.jpg", "b/1.jpg"])

    with (
        scan_lock(url, [Path("/srv/shop/a")]),
        pytest.raises(LockedError),
        scan_lock(url, [Path("/srv/shop/b")]),
    ):
        pass


def test_a_scan_waits_for_another_when_asked(url: DatabaseUrl) -> None:
    with scan_lock(url, [ROOT]):
        timer = threading.Timer(0.5, _end_sessions, [url])
        timer.start()
        with scan_lock(url, [ROOT], wait=30):  # as the session of the first has died
            pass
        timer.join()


def _end_sessions(url: DatabaseUrl) -> None:
    with raw_server(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE granted"
            " AND locktype = 'advisory' AND mode = 'ExclusiveLock' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )


def test_two_names_of_one_root_are_not_scanned_at_once(
    url: DatabaseUrl, tmp_path: Path
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "link").symlink_to("shop", target_is_directory=True)
    with Inventory(url) as inventory:
        record_names(inventory, tmp_path / "shop", ["a/1.jpg"])

    with (
        scan_lock(url, [tmp_path / "shop"]),
        pytest.raises(LockedError),
        scan_lock(url, [tmp_path / "link"]),
    ):
        pass


def test_a_server_that_ends_idle_sessions_does_not_end_a_scan(
    server: Server, url: DatabaseUrl
) -> None:
    server.do(f"ALTER DATABASE {url.name} SET idle_session_timeout = '200ms'")

    with Inventory(url) as inventory, scan_lock(url, [ROOT]):
        assert inventory.status().scanning
        time.sleep(1)
        assert inventory.status().scanning
        with pytest.raises(LockedError):
            scan_lock(url, [ROOT]).__enter__()


def test_a_server_that_ends_idle_transactions_does_not_end_a_slow_reader(
    server: Server, url: DatabaseUrl
) -> None:
    limit = "idle_in_transaction_session_timeout = '200ms'"
    server.do(f"ALTER DATABASE {url.name} SET {limit}")
    opened = PostgresServer(url)

    with opened.reading() as connection:
        connection.exec_driver_sql("SELECT 1")
        time.sleep(1)
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    opened.close()


@pytest.mark.parametrize("seconds", [-5, 5, 700])
def test_leases_hold_although_the_clocks_of_two_machines_differ(
    url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    with Inventory(url) as here, Inventory(url) as there:
        with here.recording(FakeClassifier().identity, options={}) as recording:
            recording.record(ROOT, [(ImageFile("a.jpg", 1, 2), tagged(1, 0.3))], {}, {})
        with (
            here.reviewing("anna", Selection()) as anna,
            there.reviewing("ben", Selection()) as ben,
        ):
            (item,) = anna.take(1, without=())
            skewed = mapping.now() + timedelta(seconds=seconds)
            for module in (mapping, reviewing, rewriting):
                monkeypatch.setattr(module, "now", lambda: skewed, raising=False)
            assert ben.take(1, without=()) == []
            assert there.rewriting().expect({item.digest: "f" * 64}) == {item.digest}


def test_the_tables_of_an_extension_are_not_another_programs(
    blank: DatabaseUrl,
) -> None:
    with raw_server(blank) as connection, connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")

    with Inventory(blank) as inventory:
        assert inventory.roots() == []


def test_an_answer_and_a_lease_that_has_run_out_do_not_block_each_other(
    url: DatabaseUrl,
) -> None:
    with Inventory(url) as here, Inventory(url) as there:
        with here.recording(FakeClassifier().identity, options={}) as recording:
            outcomes = [(ImageFile(f"{n}.jpg", 1, 2), tagged(n, 0.3)) for n in range(2)]
            recording.record(ROOT, outcomes, {}, {})
        engine = here._database._engine  # type: ignore[attr-defined]  # noqa: SLF001
        with (
            here.reviewing("anna", Selection()) as anna,
            there.reviewing("ben", Selection()) as ben,
        ):
            taken = anna.take(2, without=())
            backwards = sorted((item.digest for item in taken), reverse=True)
            with raw_server(url) as connection, connection:
                connection.execute("UPDATE lease SET until = '2001'")
            taking = threading.Thread(target=ben.take_these, args=[backwards])

            def take_in_between(*told: Any) -> None:  # noqa: ANN401
                if "DELETE FROM lease" in told[2] and not taking.ident:
                    seen.append(told[3])
                    if len(seen) == 2:
                        taking.start()
                        time.sleep(1)

            seen: list[object] = []
            event.listen(engine, "before_cursor_execute", take_in_between)
            kind = DecisionKind.NOT_CATALOGUE
            anna.decide(
                [Answer(digest, kind, None) for digest in backwards],
                dict.fromkeys(backwards),
            )
            taking.join()


def test_a_try_to_lease_what_another_was_faster_with_blocks_nobody(
    url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "BUSY_SECONDS", 1)
    with Inventory(url) as here, Inventory(url) as there:
        with here.recording(FakeClassifier().identity, options={}) as recording:
            outcomes = [(ImageFile(f"{n}.jpg", 1, 2), tagged(n, 0.3)) for n in range(4)]
            recording.record(ROOT, outcomes, {}, {})
        engine = here._database._engine  # type: ignore[attr-defined]  # noqa: SLF001
        with (
            here.reviewing("anna", Selection()) as anna,
            there.reviewing("ben", Selection()) as ben,
        ):
            bens: list[str] = []
            tries: list[str] = []

            def meanwhile(*told: Any) -> None:  # noqa: ANN401
                if "INSERT INTO lease" in told[2]:
                    tries.append(told[2])
                    if len(tries) == 1:
                        bens.extend(item.digest for item in ben.take(2, without=()))
                    else:
                        ben.renew()

            event.listen(engine, "before_cursor_execute", meanwhile)
            annas = [item.digest for item in anna.take(2, without=())]

    assert len(tries) == 2
    assert len({*annas, *bens}) == 4


@pytest.mark.parametrize("meanwhile", ["nobody", "another"])
def test_a_scan_that_lost_its_lock_alone_takes_it_again_or_ends(
    url: DatabaseUrl, meanwhile: str
) -> None:
    outcomes = [(ImageFile("a.jpg", 1, 2), tagged(1, 0.3))]
    with Inventory(url) as inventory, ExitStack() as until_the_end:
        until_the_end.enter_context(scan_lock(url, [ROOT]))
        recording = until_the_end.enter_context(
            inventory.recording(FakeClassifier().identity, options={})
        )
        _end_sessions(url)
        if meanwhile == "another":
            with scan_lock(url, [ROOT], wait=5), pytest.raises(LockedError):
                recording.record(ROOT, outcomes, {}, {})
            assert list(inventory.items()) == []
            return
        recording.record(ROOT, outcomes, {}, {})
        with pytest.raises(LockedError):
            scan_lock(url, [ROOT]).__enter__()
