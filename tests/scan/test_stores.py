"""Scans of folders in stores do what those of local folders do, and lose nothing."""

import pickle
import shutil
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from support import CAREFUL, SAMPLES, FakeClassifier, Photo, Scan, scan
from support.stores import Bucket, Fault, error, one_in

from tagger.engine.ray_actors import VERSIONS, Preparer
from tagger.errors import FolderError
from tagger.imaging.pool import Workers
from tagger.imaging.prepare import digest_of
from tagger.inventory import Inventory
from tagger.inventory.records import Item
from tagger.records import State
from tagger.scan.run import exit_code
from tagger.storage import Location, location


@pytest.fixture
def run(run: Scan) -> Scan:
    """A test has few pictures: the loss of one is a large share."""
    return partial(run, max_missing=1.0)


@pytest.fixture
def root(bucket: Bucket) -> Location:
    return location(bucket.url, "photos")


def by_path(inventory: Inventory) -> dict[str, Item]:
    return {item.path: item for item in inventory.items()}


def states(inventory: Inventory) -> dict[str, State]:
    return {path: item.state for path, item in by_path(inventory).items()}


def test_a_folder_and_its_copy_give_the_same_rows(
    run: Scan, bucket: Bucket, root: Location, inventory: Inventory
) -> None:
    bucket.put_folder(SAMPLES, "photos")

    run(SAMPLES)
    local = list(inventory.items())
    inventory.forget_root(SAMPLES)
    summary = run(root)

    assert summary.new == len(list(SAMPLES.glob("*.*"))) - summary.ignored
    assert [_timeless(item) for item in inventory.items()] == [
        replace(_timeless(item), root=str(root)) for item in local
    ]


def _timeless(item: Item) -> Item:
    return replace(item, updated_at=None)  # type: ignore[arg-type]


def test_ten_thousand_unchanged_files_take_ten_requests_more(
    run: Scan, bucket: Bucket, root: Location, photo: Photo
) -> None:
    for number in range(20):
        bucket.put(f"photos/{number}.png", photo(shade=number).read_bytes())
    for number in range(9_980):
        bucket.put(f"photos/{number % 300}/{number}.txt", b"x")
    first = run(root)
    assert (first.new, first.ignored) == (20, 9_980)
    before = bucket.requests.copy()

    again = run(root)

    assert (again.unchanged, again.new) == (20, 0)
    assert bucket.requests - before == {"LIST": 11}


def test_each_picture_is_read_by_one_request(
    run: Scan, bucket: Bucket, root: Location, photo: Photo
) -> None:
    for number in range(40):
        bucket.put(f"photos/{number}.png", photo(shade=number).read_bytes())

    assert run(root).new == 40

    assert bucket.requests["GET"] == 40
    assert bucket.requests["HEAD"] == 0


def test_changes_moves_and_losses_are_seen(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    for number, name in enumerate(("same", "other", "moved", "lost")):
        bucket.put(f"photos/{name}.png", photo(shade=20 * number).read_bytes())
    run(root)
    lost = by_path(inventory)["lost.png"]

    bucket.put("photos/other.png", photo(shade=200).read_bytes())
    bucket.put("photos/new/place.png", photo(shade=40).read_bytes())
    bucket.delete("photos/moved.png")
    bucket.delete("photos/lost.png")
    summary = run(root)

    assert (summary.unchanged, summary.changed, summary.moved, summary.missing) == (
        1,
        1,
        1,
        1,
    )
    assert states(inventory)["new/place.png"] is State.TAGGED
    assert "moved.png" not in states(inventory)

    bucket.put("photos/lost.png", photo(shade=60).read_bytes())
    run(root)
    assert by_path(inventory)["lost.png"].digest == lost.digest


def test_a_file_that_changed_a_moment_ago_waits(
    run: Scan, bucket: Bucket, root: Location, photo: Photo
) -> None:
    bucket.put("photos/a.png", photo().read_bytes())

    waiting = run(root, settle=3600)
    waited = run(root, settle=1.5)

    assert (waiting.new, waiting.unsettled) == (0, 1)
    assert (waited.new, waited.unsettled) == (1, 0)


def test_a_folder_of_a_scanned_folder_is_a_part_of_it(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    bucket.put("photos/new/a.png", photo().read_bytes())
    bucket.put("photos/.taggerignore", b"new/b.png\n")
    bucket.put("photos/new/b.png", photo(shade=9).read_bytes())
    run(root / "new")
    assert inventory.roots() == [f"{root}/new"]

    run(root)
    assert inventory.roots() == [str(root)]
    assert states(inventory)["new/b.png"] is State.IGNORED

    bucket.put("photos/new/c.png", photo(shade=70).read_bytes())
    summary = run(root / "new")
    assert (summary.new, summary.unchanged, summary.ignored) == (1, 1, 1)
    assert inventory.roots() == [str(root)]


def test_a_root_can_move_to_a_store_and_back(
    run: Scan, bucket: Bucket, shop: Path, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png")
    run(shop)
    bucket.put_folder(shop, "photos")

    assert inventory.move_root(shop, location(bucket.url, "photos")) == 1
    assert run(location(bucket.url, "photos")).new == 0
    assert inventory.move_root(location(bucket.url, "photos"), shop) == 1
    assert run(shop).new == 0


def test_requests_that_fail_now_and_then_cost_no_picture(
    run: Scan, bucket: Bucket, root: Location, photo: Photo
) -> None:
    for number in range(100):
        bucket.put(f"photos/{number}.png", photo(shade=number).read_bytes())

    with bucket.store.failing(one_in(20)):
        summary = run(root)

    assert bucket.requests["GET"] > 100
    assert (summary.new, summary.unreadable, exit_code(summary)) == (100, 0, 0)


def test_a_picture_that_is_deleted_before_it_is_read_is_gone(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    bucket.put("photos/a.png", photo().read_bytes())
    bucket.put("photos/b.png", photo(shade=90).read_bytes())

    def fault(method: str, path: str) -> None:
        if method == "GET" and path.endswith("/b.png"):
            bucket.delete("photos/b.png")

    with bucket.store.failing(fault):
        summary = run(root)

    assert (summary.new, summary.unreadable, exit_code(summary)) == (1, 0, 0)
    assert states(inventory) == {"a.png": State.TAGGED}


def test_a_picture_that_is_replaced_before_it_is_read_waits(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    bucket.put("photos/a.png", photo().read_bytes())
    replaced = photo(shade=90).read_bytes() + b"longer"

    def fault(method: str, _path: str) -> None:
        if method == "GET":
            bucket.put("photos/a.png", replaced)

    with bucket.store.failing(fault):
        assert run(root).unsettled == 1

    assert run(root).changed + run(root).unchanged == 1
    assert states(inventory) == {"a.png": State.TAGGED}


def test_a_picture_that_is_not_permitted_is_unreadable_until_it_is(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    bucket.put("photos/a.png", photo().read_bytes())
    bucket.put("photos/b.png", photo(shade=90).read_bytes())

    def fault(method: str, path: str) -> tuple[str, bytes] | None:
        if method == "GET" and path.endswith("/b.png"):
            return error("403 Forbidden", "AccessDenied")
        return None

    with bucket.store.failing(fault):
        summary = run(root)
    item = by_path(inventory)["b.png"]

    assert (summary.new, summary.unreadable, exit_code(summary)) == (2, 1, 3)
    assert "permit" in item.reason
    run(root)
    assert states(inventory)["b.png"] is State.TAGGED


def _from(number: int, failed: tuple[str, bytes]) -> Fault:
    """From the n-th content on, answer everything by this."""
    count = 0

    def fault(method: str, _path: str) -> tuple[str, bytes] | None:
        nonlocal count
        count += method == "GET"
        return failed if count > number else None

    return fault


def test_credentials_that_expire_in_the_middle_lose_nothing(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    content = photo().read_bytes()
    for number in range(40):
        bucket.put(f"photos/old {number}.png", content + bytes([number]))
    run(root)
    bucket.delete("photos/old 0.png")
    for number in range(150):
        bucket.put(f"photos/{number}.png", content + bytes([number, 1]))

    expired = error("400 Bad Request", "ExpiredToken")
    with bucket.store.failing(_from(20, expired)):
        summary = run(root)

    (doubt,) = summary.doubts.values()
    assert "expired" in doubt
    assert "there when the scan began" in doubt
    assert exit_code(summary) == 3
    assert (summary.missing, summary.unreadable) == (0, 0)
    assert 0 < summary.new < 150
    assert State.MISSING not in states(inventory).values()

    later = run(root)
    assert (later.new, later.missing) == (150 - summary.new, 1)
    assert list(states(inventory).values()).count(State.TAGGED) == 189


def test_a_store_that_is_away_is_a_doubt_and_no_loss(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    bucket.put("photos/a.png", photo().read_bytes())
    run(root)

    with bucket.store.failing(lambda *_: error("403 Forbidden", "AccessDenied")):
        summary = run(root)

    assert list(summary.doubts) == [str(root)]
    assert "permit" in summary.doubts[str(root)]
    assert exit_code(summary) == 3
    assert states(inventory) == {"a.png": State.TAGGED}


def test_a_listing_that_fails_half_way_is_a_doubt_and_no_loss(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    bucket.put("photos/a.png", photo().read_bytes())
    for number in range(1100):
        bucket.put(f"photos/{number:04}.txt", b"x")
    run(root)
    count = 0

    def fault(method: str, _path: str) -> tuple[str, bytes] | None:
        nonlocal count
        count += method == "LIST"
        return error("403 Forbidden", "AccessDenied") if count > 2 else None

    with bucket.store.failing(fault):
        summary = run(root)

    assert count > 2
    assert len(summary.doubted) == 1
    assert (summary.missing, exit_code(summary)) == (0, 3)
    assert states(inventory)["a.png"] is State.TAGGED


def test_an_emptied_folder_is_doubted(
    run: Scan, bucket: Bucket, root: Location, photo: Photo, inventory: Inventory
) -> None:
    bucket.put("photos/a.png", photo().read_bytes())
    run(root)
    bucket.delete("photos/a.png")

    summary = run(root)

    assert (summary.missing, exit_code(summary)) == (0, 3)
    assert "does not exist" in summary.doubts[str(root)]
    assert states(inventory) == {"a.png": State.TAGGED}


def test_an_unknown_folder_that_is_not_there_is_an_error(
    run: Scan, bucket: Bucket, root: Location, inventory: Inventory
) -> None:
    for place in (root, location("s3://no-such-bucket")):
        with pytest.raises(FolderError, match="does not exist"):
            run(place)
    bucket.put("photo.jpg", b"x")
    with pytest.raises(FolderError, match="is a file"):
        run(location(bucket.url, "photo.jpg"))
    assert not inventory.roots()


def test_worker_processes_get_the_contents(
    bucket: Bucket, root: Location, inventory: Inventory, classifier: FakeClassifier
) -> None:
    bucket.put_folder(SAMPLES, "photos")

    with Workers(2) as crew:
        summary = scan([root], inventory, classifier, CAREFUL, prepare_all=crew.prepare)

    assert summary.unreadable == 3
    assert summary.tagged > 30


def test_an_actor_of_a_cluster_reads_the_pictures_itself(
    bucket: Bucket, root: Location
) -> None:
    content = (SAMPLES / "tiny.png").read_bytes()
    bucket.put("photos/a.png", content)
    actor = Preparer()
    actor.begin(VERSIONS)

    found = pickle.loads(actor.work([f"{root}/a.png", f"{root}/lost.png"]))  # noqa: S301

    assert [one.digest for one in found] == [digest_of(content), None]
    assert bucket.requests == {"GET": 2}


def test_an_archive_is_scanned(
    run: Scan, tmp_path: Path, photo: Photo, inventory: Inventory
) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.write(photo("a.png"), "photos/a.png")
        written.write(photo("b.png", 90), "photos/deep/b.png")
        written.writestr("notes/c.png", b"x")
    root = location(f"zip://photos::{archive}")

    assert run(root).new == 2
    assert run(root).unchanged == 2
    assert states(inventory) == {"a.png": State.TAGGED, "deep/b.png": State.TAGGED}

    archive.rename(tmp_path / "away.zip")
    from tagger.storage import remote

    remote._opened.cache_clear()  # noqa: SLF001  as in another process
    assert exit_code(run(root)) == 3


def test_a_damaged_archive_is_an_error(run: Scan, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(b"no archive")

    with pytest.raises(FolderError, match="damaged"):
        run(location(f"zip://photos::{tmp_path}/all.zip"))


class _Pages(SimpleHTTPRequestHandler):
    sizes = True
    silent = ""

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def send_head(self) -> Any:  # noqa: ANN401  an open file
        if self.silent and self.path.rstrip("/").endswith(self.silent):
            time.sleep(3)  # longer than the client waits
            self.close_connection = True
            return None
        return super().send_head()

    def send_header(self, keyword: str, value: str) -> None:
        if self.sizes or keyword != "Content-Length":
            super().send_header(keyword, value)


@pytest.fixture
def pages() -> type[_Pages]:
    """How the web server answers, for one test."""
    return type("Pages", (_Pages,), {})


@pytest.fixture
def web(tmp_path: Path, pages: type[_Pages]) -> Iterator[str]:
    """A web server with pages of contents, for the folder `web`."""
    (tmp_path / "web").mkdir()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(pages, directory=str(tmp_path / "web"))
    )
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_web_server_is_scanned(
    run: Scan, tmp_path: Path, web: str, photo: Photo, inventory: Inventory
) -> None:
    (tmp_path / "web/photos/deep").mkdir(parents=True)
    shutil.copy(photo(shade=10), tmp_path / "web/photos/a.png")
    shutil.copy(photo(shade=90), tmp_path / "web/photos/deep/b.png")
    root = location(f"{web}/photos/")

    assert run(root).new == 2
    assert run(root).unchanged == 2
    assert states(inventory) == {"a.png": State.TAGGED, "deep/b.png": State.TAGGED}

    shutil.copy(photo(shade=200), tmp_path / "web/photos/a.png")
    assert run(root).changed == 1
    with pytest.raises(FolderError, match="does not exist"):
        run(location(f"{web}/nothing"))


def test_a_link_that_leads_nowhere_is_no_file_of_a_web_server(
    run: Scan, tmp_path: Path, web: str, photo: Photo, inventory: Inventory
) -> None:
    (tmp_path / "web/photos").mkdir()
    shutil.copy(photo(), tmp_path / "web/photos/a.png")
    (tmp_path / "web/photos/b.png").symlink_to("nowhere")

    assert run(location(f"{web}/photos")).new == 1
    assert states(inventory) == {"a.png": State.TAGGED}


def test_a_web_server_need_not_tell_sizes(
    run: Scan,
    tmp_path: Path,
    web: str,
    pages: type[_Pages],
    photo: Photo,
    inventory: Inventory,
) -> None:
    pages.sizes = False
    (tmp_path / "web/photos").mkdir()
    shutil.copy(photo(), tmp_path / "web/photos/a.png")

    assert run(location(f"{web}/photos")).new == 1
    assert states(inventory) == {"a.png": State.TAGGED}
    assert run(location(f"{web}/photos")).unchanged == 1


def test_nothing_is_missing_in_a_web_folder_that_does_not_answer(
    run: Scan,
    tmp_path: Path,
    web: str,
    pages: type[_Pages],
    photo: Photo,
    inventory: Inventory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import aiohttp
    from fsspec.config import conf

    short = {"timeout": aiohttp.ClientTimeout(total=1)}
    monkeypatch.setitem(conf, "http", {"client_kwargs": short})
    (tmp_path / "web/photos/deep").mkdir(parents=True)
    shutil.copy(photo(shade=10), tmp_path / "web/photos/a.png")
    shutil.copy(photo(shade=90), tmp_path / "web/photos/deep/b.png")
    assert run(location(f"{web}/photos")).new == 2

    pages.silent = "deep"
    summary = run(location(f"{web}/photos"))

    found = states(inventory)
    assert found["a.png"] == found["deep/b.png"] == State.TAGGED
    assert exit_code(summary) == 3
