"""Fixtures: real folders of real pictures, real inventories, and a network to hand."""

import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image
from support import AT_ONCE, CAREFUL, SAMPLES, FakeClassifier, Photo, Scan, scan
from support.inventories import BlankPlace, new_inventory, raw
from support.postgres import Server, a_server
from support.program import Inside, Tagger

from tagger.inventory import Inventory
from tagger.records import Policy
from tagger.scan.records import RunSummary
from tagger.system.database_url import DatabaseUrl, Place

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from support.stores import Bucket, Store

# TensorFlow reads this once, when it is first imported, here by tests that build a
# network of their own as well as by the tool, which sets it itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Pictures and databases take their time on a busy machine; what fails is printed.
settings.register_profile(
    "patience", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patience")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the golden files of this run instead of comparing with them",
    )


def pytest_xdist_auto_num_workers() -> int:
    """Run three processes on two cores: a quarter of the time, tests wait.

    They wait for programs, locks and timers; with a process for each core, the whole
    suite used 800 of 1,082 s.
    """
    return math.ceil(1.5 * (os.cpu_count() or 1))


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of the inventory on both databases, and others that are marked."""
    if "database_kind" not in metafunc.fixturenames:
        return
    marked = metafunc.definition.get_closest_marker
    here = "inventory" in metafunc.definition.path.parent.parts[-1:]
    on_one = marked("sqlite_only") or marked("postgres")
    if (here or marked("databases")) and not on_one:
        kinds = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
        metafunc.parametrize("database_kind", kinds, indirect=True)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with a_server() as running:
        yield running


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """The database that the test's inventory is in: a file, or one of a server."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def place(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Place]:
    """Where an inventory without rows is."""
    if database_kind == "sqlite":
        path = tmp_path / "inventory.db"
        new_inventory(path).__exit__()
        yield path
        return
    server: Server = request.getfixturevalue("server")
    url = server.inventory()
    yield url
    server.drop(url)


@pytest.fixture
def blank_place(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[BlankPlace]:
    """Make inventories without rows, one for each call, each given name anew."""
    if database_kind == "sqlite":
        number = count()

        def new_file(name: str = "inventory") -> Place:
            path = tmp_path / f"{name}{next(number)}.db"
            new_inventory(path).__exit__()
            return path

        yield new_file
        return
    server: Server = request.getfixturevalue("server")
    made: dict[str, DatabaseUrl] = {}

    def emptied(name: str = "inventory") -> Place:
        if name in made:
            server.empty(made[name])
        else:
            made[name] = server.inventory()
        return made[name]

    yield emptied
    for url in made.values():
        server.drop(url)


@pytest.fixture
def inventory(place: Place) -> Iterator[Inventory]:
    with Inventory(place) as opened:
        yield opened


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


@pytest.fixture
def photo(shop: Path) -> Photo:
    """Write a picture of a gray rectangle on white; its shade sets its tag."""

    def write(path: str = "item.png", shade: int = 40) -> Path:
        target = shop / path
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((80, 60), 255, np.uint8)
        pixels[10:70, 15:45] = shade
        Image.fromarray(pixels).save(target)
        return target

    return write


@pytest.fixture
def tagger(
    tmp_path: Path, request: pytest.FixtureRequest, database_kind: str
) -> Tagger:
    """Run the command line in this process, with an inventory in the test's folder."""
    made = Inside(tmp_path)
    if database_kind == "postgres":
        made.use(request.getfixturevalue("place"))
    return made


@pytest.fixture
def program(
    tmp_path: Path, request: pytest.FixtureRequest, database_kind: str
) -> Tagger:
    """Run the real program, in a process of its own, with the same inventory.

    For streams, signals, terminals, limits, and what stands in the environment at
    the start: whatever else is tested is cheaper with `tagger`.
    """
    made = Tagger(tmp_path)
    if database_kind == "postgres":
        made.use(request.getfixturevalue("place"))
    return made


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("tiny.png", "palette.png", "lossy.webp"):
        shutil.copy(SAMPLES / name, folder)
    return folder


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scan some pictures once; the tests take copies of the inventory."""
    folder = tmp_path_factory.mktemp("stocked")
    (folder / "pictures").mkdir()
    for name in ("tiny.png", "palette.png", "lossy.webp", "plain.bmp"):
        shutil.copy(SAMPLES / name, folder / "pictures")
    assert Inside(folder)("scan", folder / "pictures").returncode == 0
    with raw(folder / "inventory.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.fixture
def stock(tmp_path: Path, stocked: Path) -> None:
    """Let the inventory be one of four pictures that were scanned."""
    shutil.copy(stocked / "inventory.db", tmp_path)


@pytest.fixture
def run(shop: Path, inventory: Inventory, classifier: FakeClassifier) -> Scan:
    """Scan the shop, or other folders, into the inventory."""

    def scan_shop(
        *folders: Path, policy: Policy = CAREFUL, **options: object
    ) -> RunSummary:
        return scan(
            folders or (shop,),
            inventory,
            options.pop("classifier", classifier),  # type: ignore[arg-type]
            policy,
            track=options.pop("track", lambda files, _: files),  # type: ignore[arg-type]
            options=replace(AT_ONCE, **options),  # type: ignore[arg-type]
        )

    return scan_shop


@pytest.fixture(scope="session")
def store() -> Iterator["Store"]:
    """An S3 server for all tests of a process: it takes two seconds to start."""
    from support.stores import Store

    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def bucket(store: "Store", monkeypatch: pytest.MonkeyPatch) -> "Bucket":
    """An empty bucket, for which this process has credentials."""
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return store.bucket(f"shop-{next(_numbers)}")


_numbers = count(1)


@pytest.fixture
def large_shop(tmp_path: Path) -> Path:
    """Pictures that a scan is busy with for some seconds."""
    folder = tmp_path / "large"
    folder.mkdir()
    data = (SAMPLES / "skateboard.jpg").read_bytes()
    for number in range(1500):
        (folder / f"{number}.jpg").write_bytes(data + number.to_bytes(4))
    return folder


# Not for the session: while it runs, its event loop does, and no other may begin.
@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium here: apt install chromium")
    with playwright.sync_playwright() as driver:
        # A container's root has no sandbox to run in; the pages are our own.
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def queue(inventory: Inventory, shop: Path, photo: Photo) -> Inventory:
    """An inventory of five pictures that wait; the first is the least sure."""
    for number, shade in enumerate((40, 90, 140, 190, 220)):
        photo(f"{number}.png", shade)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    return inventory


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield names of home folders: to make each one in pytest's way takes longer."""
    parent = tmp_path_factory.mktemp("homes")
    return (parent / str(number) for number in count())


@pytest.fixture(autouse=True)
def _measured_processes(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measure coverage in the processes of tests that are marked so, and in no others.

    It takes a process 0.2 s more of 0.4, and most processes run what other tests run in
    this process.
    """
    if not request.node.get_closest_marker("measured"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(autouse=True)
def _separate_settings(homes: Iterator[Path]) -> Iterator[None]:
    """Keep the settings and bundles of the user out of the tests, and vice versa."""
    home = next(homes)
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("CONFIG", "DATA"):
            patch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
        patch.delenv("TAGGER_MODEL", raising=False)
        yield
