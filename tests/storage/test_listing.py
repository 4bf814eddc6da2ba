import signal
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.stores import Bucket

from tagger.errors import Stopped
from tagger.records import Below, ImageFile, Listed, SkippedFile
from tagger.scan.walk import Rules, walk
from tagger.storage import Location, RemotePath, location
from tagger.storage.listing import holds_any
from tagger.system.signals import Interruption

RULES = Rules(
    endings=(".jpg", ".png"),
    foreign={".psd"},
    exclude=("thumbs", "old/*"),
    exclude_folders=("@eaDir",),
)
FOLDERS = st.sampled_from(["a", "b b", "Ünder", "old", "thumbs", "@eaDir", ".hidden"])
FILES = st.sampled_from(
    ["a.jpg", "a-150x150.jpg", "ö.PNG", "notes.txt", "x.psd", ".dot.jpg", "plain"]
)
PATHS = st.builds(
    lambda above, name: "/".join([*above, name]), st.lists(FOLDERS, max_size=3), FILES
)
TREES = st.dictionaries(PATHS, st.binary(max_size=3), max_size=12)
IGNORED = st.sampled_from(["", "*.png\n", "/a/\n!a.jpg\n", "b b\n"])


def listed(root: Location) -> list[Listed]:
    """The walk, without the times: they are those of the copies."""
    return [_without_time(entry) for entry in walk(root, RULES)]


def _without_time(entry: Listed) -> Listed:
    if isinstance(entry, ImageFile):
        return entry._replace(mtime_ns=0)
    return replace(entry, stamp=entry.stamp and entry.stamp._replace(mtime_ns=0))


def grow(root: Path, tree: dict[str, bytes]) -> None:
    for path, content in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


@given(TREES, IGNORED)
@settings(max_examples=60)
def test_a_folder_and_its_archive_are_listed_alike(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes], ignored: str
) -> None:
    top = tmp_path_factory.mktemp("tree")
    grow(top / "photos", tree | {".taggerignore": ignored.encode(), "here.jpg": b""})
    with zipfile.ZipFile(top / "all.zip", "w") as archive:
        for path in (top / "photos").rglob("*"):
            archive.write(path, path.relative_to(top))

    assert listed(location(f"zip://photos::{top}/all.zip")) == listed(top / "photos")


@given(TREES, IGNORED)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_and_its_copy_in_s3_are_listed_alike(
    tmp_path_factory: pytest.TempPathFactory,
    bucket: Bucket,
    tree: dict[str, bytes],
    ignored: str,
) -> None:
    top = tmp_path_factory.mktemp("tree")
    grow(top, tree | {".taggerignore": ignored.encode(), "here.jpg": b""})
    bucket.clear()
    bucket.put_folder(top, "photos")
    bucket.put("photos-2/another.jpg", b"")

    assert listed(location(f"{bucket.url}/photos")) == listed(top)


def test_keys_that_are_no_paths_are_left_out(bucket: Bucket) -> None:
    for key in ("p/", "p/empty/", "p//a.jpg", "p/b.jpg", "p/b.jpg/c.jpg"):
        bucket.put(key, b"x")

    found = {entry.path for entry in walk(location(f"{bucket.url}/p"), RULES)}

    assert found == {"b.jpg", "b.jpg/c.jpg"}


def test_a_listing_asks_for_pages_and_for_nothing_else(bucket: Bucket) -> None:
    for number in range(1100):
        bucket.put(f"p/{number % 40}/{number}.jpg", b"x")

    found = list(walk(location(f"{bucket.url}/p"), RULES))

    assert len(found) == 1100
    assert bucket.requests == {"LIST": 2}


def test_a_signal_ends_a_listing_between_two_pages(bucket: Bucket) -> None:
    for number in range(1100):
        bucket.put(f"p/{number}.jpg", b"x")
    stop = Interruption()
    stop.note(signal.SIGTERM, None)

    with pytest.raises(Stopped):
        list(walk(location(f"{bucket.url}/p"), RULES, stop.check))

    assert bucket.requests == {"LIST": 1}


def test_a_look_at_one_file_agrees_with_the_listing(bucket: Bucket) -> None:
    bucket.put("p/a.jpg", b"one")
    root = location(bucket.url, "p")
    (before,) = walk(root, RULES)
    bucket.put("p/a.jpg", b"two")  # in the same second, of the same size
    (after,) = walk(root, RULES)
    status = (root / "a.jpg").stat()

    assert isinstance(before, ImageFile)
    assert isinstance(after, ImageFile)
    assert before.stamp != after.stamp == (status.st_size, status.st_mtime_ns)


def test_a_store_is_asked_once_which_of_many_paths_it_has(bucket: Bucket) -> None:
    bucket.put("p/new/a.jpg", b"x")
    root = location(bucket.url, "p")

    assert holds_any(root, ["a.jpg", "new/a.jpg"])
    assert not holds_any(root, ["a.jpg", "b.jpg"])
    assert bucket.requests == {"LIST": 2}


def test_a_folder_is_what_keys_begin_with(bucket: Bucket) -> None:
    bucket.put("p/a.jpg", b"x")
    root = location(bucket.url)
    assert isinstance(root, RemotePath)

    assert root.is_dir()
    assert (root / "p").is_dir()
    assert not (root / "q").is_dir()
    assert not (root / "p/a.jpg").is_dir()
    assert (root / "p/a.jpg").exists()
    assert not (root / "p/b.jpg").exists()
    assert not location("s3://no-such-bucket").is_dir()


def test_pictures_stay_listed_when_their_ignore_file_is_deleted_meanwhile(
    bucket: Bucket,
) -> None:
    for key in ("p/a/1.jpg", "p/b/2.jpg", "p/b/.taggerignore"):
        bucket.put(key, b"*.png")
    walked = walk(location(f"{bucket.url}/p"), RULES)

    found = {next(walked).path}
    bucket.delete("p/b/.taggerignore")
    found |= {entry.path for entry in walked if isinstance(entry, ImageFile)}

    assert found == {"a/1.jpg", "b/2.jpg"}


def test_a_folder_that_cannot_be_listed_is_not_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    store = MemoryFileSystem()
    for key in ("/p/a/1.jpg", "/p/b/2.jpg"):
        store.pipe(key, b"x")
    listing = MemoryFileSystem.ls

    def refuse(self: object, path: str, **options: object) -> object:
        if path.endswith("/b"):  # as SFTP refuses a folder of another user
            raise PermissionError(path)
        return listing(self, path, **options)

    monkeypatch.setattr(MemoryFileSystem, "ls", refuse)

    (found,) = walk(location("memory://p"), RULES)

    assert isinstance(found, SkippedFile)
    assert found.below is Below.UNSEEN
