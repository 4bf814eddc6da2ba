from collections.abc import Iterator

import pytest
from support.stores import Bucket, error, one_in

from tagger.storage import Content, RemotePath, Wanted, location
from tagger.storage.reading import AT_ONCE, read_ahead

LARGEST = 1000


def wanted(bucket: Bucket, files: dict[str, bytes]) -> list[Wanted]:
    bucket.put_all(files)
    root = location(bucket.url)
    assert isinstance(root, RemotePath)
    return [Wanted(root / key, len(content)) for key, content in files.items()]


def test_contents_come_in_order_and_each_with_one_request(bucket: Bucket) -> None:
    files = {f"{number}.jpg": bytes([number]) * number for number in range(50)}

    found = list(read_ahead(wanted(bucket, files), LARGEST))

    assert found == [Content(name, data) for name, data in files.items()]
    assert bucket.requests == {"GET": 50}


def test_no_more_is_read_ahead_than_the_limits(bucket: Bucket) -> None:
    files = wanted(bucket, {f"{number}.jpg": b"x" for number in range(100)})
    taken = 0

    def counted() -> Iterator[Wanted]:
        nonlocal taken
        for file in files:
            taken += 1
            yield file

    reading = read_ahead(counted(), LARGEST)
    next(reading)

    assert taken == AT_ONCE
    reading.close()


def test_large_files_wait_for_one_another(bucket: Bucket) -> None:
    half = 40 * 2**20  # as the listing said; nothing is read of it
    files = [file._replace(size=half) for file in wanted(bucket, {"a.jpg": b"x"}) * 9]
    taken = 0

    def counted() -> Iterator[Wanted]:
        nonlocal taken
        for file in files:
            taken += 1
            yield file

    reading = read_ahead(counted(), LARGEST)
    next(reading)

    assert taken == 2
    reading.close()


def test_a_file_that_cannot_be_had_says_why(bucket: Bucket) -> None:
    files = wanted(bucket, {"huge.jpg": b"x" * 1001, "gone.jpg": b"x", "new.jpg": b"x"})
    bucket.delete("gone.jpg")
    bucket.put("new.jpg", b"longer")

    huge, gone, new = read_ahead(files, LARGEST)

    assert isinstance(huge, OSError)
    assert isinstance(gone, FileNotFoundError)
    assert isinstance(new, OSError)
    assert "larger" in str(huge)
    assert "changed" in str(new)
    assert bucket.requests == {"GET": 2}


def test_failures_now_and_then_are_tried_again(bucket: Bucket) -> None:
    files = wanted(bucket, {f"{number}.jpg": b"x" for number in range(60)})

    with bucket.store.failing(one_in(10)):
        found = list(read_ahead(files, LARGEST))

    assert all(isinstance(one, Content) for one in found)
    assert bucket.requests["GET"] > 60


@pytest.mark.parametrize(
    ("status", "code", "kind", "told"),
    [
        ("403 Forbidden", "AccessDenied", PermissionError, "permit"),
        ("400 Bad Request", "ExpiredToken", OSError, "expired"),
        ("404 Not Found", "NoSuchBucket", FileNotFoundError, "no bucket shop"),
        ("418 Teapot", "Whatever", OSError, "reports"),
    ],
)
def test_what_the_store_reports_is_told_in_words(
    bucket: Bucket, status: str, code: str, kind: type[OSError], told: str
) -> None:
    place = location(bucket.url, "a.jpg")

    with (
        bucket.store.failing(lambda *_: error(status, code)),
        pytest.raises(kind) as caught,
    ):
        place.read_bytes()

    assert told in str(caught.value.strerror)
    assert "\n" not in str(caught.value)
