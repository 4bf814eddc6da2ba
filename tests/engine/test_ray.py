"""The engine `ray` on a real cluster of two nodes; one is really killed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import psutil
import pytest
from support import SAMPLES, wait_for
from support.inventories import raw
from support.program import Inside, Tagger, begun, refused

from tagger.api import load_network
from tagger.engine import ray
from tagger.engine.interface import EngineChoice, EngineName
from tagger.engine.ray_actors import VERSIONS, Preparer
from tagger.errors import EngineError
from tagger.imaging.prepare import digest_of, prepare

COLUMNS = (
    "path,tag,confidence,flagged,reason,runner_up,margin,state,digest,model,"
    "machine_tag,no_tag,probabilities"
)

HOSTILE = """
import os, sys
if "tagger.imaging.pool as w" in str(sys.orig_argv):
    import signal
    from tagger.imaging import prepare as module
    def crash(path, real=module.prepare):
        if path.name.startswith("crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        return real(path)
    module.prepare = crash
if "default_worker.py" in str(sys.orig_argv):
    import threading, time
    def spoil():
        while "tagger.engine.ray_actors" not in sys.modules:
            time.sleep(0.01)
        from tagger.engine import ray_actors
        while not hasattr(ray_actors, "located"):
            time.sleep(0.01)
        def located(text, real=ray_actors.located):
            if "poison" in text:
                os._exit(1)
            return real(text)
        ray_actors.located = located
    threading.Thread(target=spoil, daemon=True).start()
"""
"""A decoder that crashes, and a picture that ends the actor which prepares it."""


class Nodes:
    """The cluster, in a process of its own: this one never imports Ray."""

    def __init__(self, folder: Path, **environment: str) -> None:
        (folder / "sitecustomize.py").write_text(HOSTILE)
        path = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.ray_nodes"],
            cwd=Path(__file__).parents[1],
            env=os.environ
            | {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}
            | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout
        lines = iter(self._process.stdout.readline, "")
        self.address = next(line for line in lines if ":" in line).strip()
        self.options = ("--engine", "ray", "--ray-address", self.address)

    def kill(self, which: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{which}\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    cluster = Nodes(tmp_path_factory.mktemp("nodes"))
    yield cluster
    cluster.end()


def put(folder: Path, *numbers: int) -> None:
    """Put pictures into a folder; every third has the bytes of the one before."""
    folder.mkdir(exist_ok=True)
    sources = sorted(SAMPLES.glob("*.jpg"))
    for number in numbers:
        content = number - number % 3 // 2
        data = sources[content % len(sources)].read_bytes() + content.to_bytes(4)
        (folder / f"{number:04}.jpg").write_bytes(data)


def rows(tagger: Tagger, database: str) -> str:
    return tagger("export", "--raw", "--db", database, "--columns", COLUMNS).stdout


def recorded(tagger: Tagger) -> int:
    with raw(tagger.db) as connection:
        (number,) = connection.execute("SELECT count(*) FROM image").fetchone()
    return int(number)


def test_a_scan_on_a_cluster_gives_the_rows_of_one_on_this_machine(
    tagger: Tagger, nodes: Nodes
) -> None:
    shop = tagger.folder / "shop"
    put(shop, *range(70))
    for sample in SAMPLES.iterdir():
        shutil.copy(sample, shop)
    (shop / os.fsdecode(b"not-utf8-\xff.png")).write_bytes(b"no picture")
    local = json.loads(tagger("scan", shop, "--json", "--db", "local.db").stdout)

    done = tagger("scan", shop, "--json", "--batch-size", 16, *nodes.options)

    assert done.stderr == ""
    there = json.loads(done.stdout)
    same = ("new", "classified", "tagged", "flagged", "unreadable", "tags", "exit_code")
    assert {name: there[name] for name in same} == {name: local[name] for name in same}
    assert rows(tagger, "inventory.db") == rows(tagger, "local.db")
    again = json.loads(tagger("scan", shop, "--json", *nodes.options).stdout)
    assert (again["unchanged"], again["classified"]) == (local["new"], 0)


def test_pictures_that_end_what_reads_them_cost_themselves_alone(
    tagger: Tagger, nodes: Nodes
) -> None:
    shop = tagger.folder / "shop"
    put(shop, *range(40))
    tagger("scan", shop, "--db", "local.db")
    expected = rows(tagger, "local.db").splitlines()
    for name in ("0011-crash.jpg", "0022-poison.jpg"):
        shutil.copy(SAMPLES / "tiny.png", shop / name.partition("-")[2])

    assert tagger("scan", shop, *nodes.options).returncode == 3

    found = rows(tagger, "inventory.db").splitlines()
    bad = [line for line in found if "the decoder crashed" in line]
    assert [line.partition(".")[0] for line in bad] == ["crash", "poison"]
    digest = digest_of((SAMPLES / "tiny.png").read_bytes())
    assert all(digest in line for line in bad)
    assert [line for line in found if line not in bad] == expected


def test_files_are_taken_as_they_are_needed(nodes: Nodes) -> None:
    taken = count()
    endless = (SAMPLES / "tiny.png" for _ in taken)
    network = load_network()
    choice = EngineChoice(EngineName.RAY, nodes.address)

    with ray.RayEngine(network.bundle, network.runtime, choice) as engine:
        found = list(islice(engine.prepare(endless), 400))

    expected = prepare(SAMPLES / "tiny.png")
    assert {one.digest for one in found} == {expected.digest}
    assert next(taken) <= 400 + 2 * 4 * ray.BLOCK + ray.BLOCK


def test_a_node_may_die_and_if_all_die_finished_work_is_saved(
    tagger: Tagger, program: Tagger, nodes: Nodes
) -> None:
    shop = tagger.folder / "shop"
    put(shop, *range(250))
    scanning = begun(program, shop, *nodes.options)
    wait_for(lambda: recorded(tagger) > 20, 120)
    nodes.kill("node")
    _, errors = scanning.communicate(timeout=200)

    assert (scanning.returncode, errors) == (3, "")
    tagger("scan", shop, "--db", "local.db")
    assert rows(tagger, "inventory.db") == rows(tagger, "local.db")

    put(shop, *range(250, 1000))
    program.environment |= {"RAY_gcs_rpc_server_reconnect_timeout_s": "3"}  # not 60
    scanning = begun(program, shop, *nodes.options)
    wait_for(lambda: recorded(tagger) > 270, 120)
    nodes.kill("head")
    _, errors = scanning.communicate(timeout=200)

    assert scanning.returncode == 1
    assert errors.count("\n") == 1
    assert "the Ray cluster is gone" in errors
    assert 270 < recorded(tagger) < 1000
    tagger("scan", shop)
    tagger("scan", shop, "--db", "local.db")
    assert rows(tagger, "inventory.db") == rows(tagger, "local.db")


def test_a_cluster_of_its_own_ends_with_the_scan_that_is_interrupted(
    program: Tagger, tagger: Tagger, large_shop: Path
) -> None:
    scanning = begun(program, large_shop, "--engine", "ray")
    wait_for(lambda: recorded(tagger) > 20, 120)
    started = psutil.Process(scanning.pid).children(recursive=True)
    assert any("raylet" in process.name() for process in started)
    asked = time.monotonic()
    scanning.send_signal(signal.SIGINT)
    _, errors = scanning.communicate(timeout=60)

    assert time.monotonic() < asked + 40
    assert scanning.returncode == 130
    assert errors == "interrupted: finished work is saved\n"
    assert 20 < recorded(tagger) < 1500
    wait_for(lambda: not any(process.is_running() for process in started))


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1:1", 1),
        ("no-such-host.invalid:6379", 1),
        ("nonsense", 2),
        ("ray://127.0.0.1:10001", 2),
        ("127.0.0.1:99999", 2),
    ],
)
def test_an_address_without_a_cluster_is_named_at_once(
    tagger: Tagger, pictures: Path, address: str, status: int
) -> None:
    asked = time.monotonic()
    options = ("--engine", "ray", "--ray-address", address)

    assert address in refused(tagger, "scan", pictures, *options, status=status)
    assert time.monotonic() < asked + 20
    assert not tagger.db.exists()


def test_a_server_that_is_not_ray_is_waited_for_in_vain_but_not_for_ever(
    tagger: Tagger, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "_START_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        options = ("--engine", "ray", "--ray-address", address)

        done = tagger("scan", pictures, *options)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert address in done.stderr


def test_a_cluster_with_a_token_asks_for_it_in_one_line(
    tagger: Tagger, pictures: Path, tmp_path: Path
) -> None:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "5" * 64}
    cluster = Nodes(tmp_path, **token)
    try:
        without = tagger("scan", pictures, *cluster.options)
        done = tagger(
            "scan", pictures, *cluster.options, prefix=(), answers="", **token
        )
    finally:
        cluster.end()

    assert without.returncode == 1
    assert without.stderr.count("\n") == 1
    assert cluster.address in without.stderr
    assert "RAY_AUTH_MODE=token" in without.stderr
    assert done.returncode == 0, done.stderr


def test_a_cluster_of_its_own_leaves_no_token_behind(
    program: Tagger, pictures: Path, tmp_path: Path
) -> None:
    done = program("scan", pictures, "--engine", "ray", HOME=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("auth_token"))


def test_a_scan_that_is_interrupted_as_it_connects_ends_at_once(
    program: Tagger, pictures: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        scanning = begun(program, pictures, "--engine", "ray", "--ray-address", address)
        scanning.send_signal(signal.SIGINT)
        _, errors = scanning.communicate(timeout=30)

    assert (scanning.returncode, errors) == (
        130,
        "interrupted: finished work is saved\n",
    )


def test_what_ray_tells_in_many_lines_becomes_one() -> None:
    show = (
        "from tagger.engine.ray_gateway import _one_line as f; short = 'Version "
        "mismatch: cluster:\\n    Ray: 2.9\\nthis process:\\n    Ray: 2.6\\n'; "
        "[print(f(RuntimeError(*text))) for text in "
        "([short], [short * 9 + 'the cause'], [])]"
    )

    done = subprocess.run(
        [sys.executable, "-c", show], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == [
        "Version mismatch: cluster: Ray: 2.9 this process: Ray: 2.6",
        "the cause",
        "RuntimeError",
    ]


def test_the_settings_file_may_name_the_cluster(tagger: Tagger, pictures: Path) -> None:
    settings = 'engine = "ray"\nray-address = "127.0.0.1:1"\n'
    (tagger.folder / "tagger.toml").write_text(settings)

    assert "127.0.0.1:1" in refused(tagger, "scan", pictures, status=1)
    assert tagger("scan", pictures, "--engine", "local").returncode == 0


def test_an_address_alone_asks_for_the_engine(tagger: Tagger, pictures: Path) -> None:
    address = ("--ray-address", "127.0.0.1:1")

    assert "--engine ray" in refused(tagger, "scan", pictures, *address, status=2)
    assert not tagger.db.exists()


def test_without_ray_the_command_that_installs_it_is_named(
    tagger: Inside, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    message = refused(tagger, "scan", pictures, "--engine", "ray", status=1)

    assert "pip install ray" in message
    assert not tagger.db.exists()


def test_a_node_with_another_version_is_refused() -> None:
    version, preparing = VERSIONS

    for other in (("0.0.1", preparing), (version, "views28-0")):
        with pytest.raises(EngineError, match=other[0]):
            Preparer().begin(other)


def test_only_a_scan_on_ray_loads_it(program: Tagger, pictures: Path) -> None:
    """Not even this process: Ray would end it with the cluster."""
    tell = (
        "import sys, atexit; from tagger.__main__ import main; atexit.register(lambda: "
        "print(*(name for name in sys.modules if name == 'ray' "
        "or name.startswith('tagger.engine.ray')))); main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", tell, "scan", str(pictures), "--quiet"],
        env=program.environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == ""
