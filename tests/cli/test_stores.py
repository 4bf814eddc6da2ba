"""Commands on pictures in stores: what reads them works, what writes refuses."""

import json
import shutil
import time
from pathlib import Path

import pytest
from support import SAMPLES
from support.inventories import raw
from support.program import Tagger, refused
from support.stores import Bucket, silent

from tagger.inventory import Inventory
from tagger.inventory.records import Selection
from tagger.review.prefetch import look_at

IMPATIENT = json.dumps(
    {
        "config_kwargs": {
            "connect_timeout": 0.5,
            "read_timeout": 0.5,
            "retries": {"total_max_attempts": 1},
        }
    }
)
"""Settings of fsspec with which a store is given up after a second."""


@pytest.fixture
def at_store(bucket: Bucket, tagger: Tagger) -> Tagger:
    """The command line, with the credentials of a bucket of three pictures."""
    tagger.environment |= bucket.store.environment
    for name in ("tiny.png", "palette.png", "lossy.webp"):
        bucket.put(f"photos/{name}", (SAMPLES / name).read_bytes())
    return tagger


@pytest.fixture
def scanned(at_store: Tagger, bucket: Bucket) -> Tagger:
    done = at_store("scan", f"{bucket.url}/photos/")
    assert done.returncode == 0, done.stderr
    return at_store


def test_a_scan_says_the_same_of_a_bucket_as_of_a_folder(
    at_store: Tagger, bucket: Bucket, pictures: Path
) -> None:
    local = json.loads(at_store("scan", pictures, "--json").stdout)
    at_store("roots", "forget", "--yes", pictures)

    stored = json.loads(at_store("scan", f"{bucket.url}/photos", "--json").stdout)

    same = ("new", "unchanged", "tagged", "flagged", "unreadable", "tags", "warnings")
    assert {name: stored[name] for name in same} == {n: local[n] for n in same}
    again = json.loads(at_store("scan", f"{bucket.url}/photos/", "--json").stdout)
    assert (again["new"], again["unchanged"]) == (0, 3)
    assert {row["root"] for row in at_store.rows().values()} == {f"{bucket.url}/photos"}


def test_commands_that_read_pictures_read_them_there(
    scanned: Tagger, bucket: Bucket
) -> None:
    url = f"{bucket.url}/photos/tiny.png"

    assert "Sneaker" in scanned("explain", url).stdout
    assert json.loads(scanned("predict", url, "--json").stdout)["tag"] == "Sneaker"
    assert scanned("check", "--all").returncode == 0
    before = bucket.requests["GET"]
    assert scanned("report", "-o", "report.html").returncode == 0
    assert bucket.requests["GET"] >= before + 3
    (root,) = map(json.loads, scanned("roots", "list", "--json").stdout.splitlines())
    assert (root["path"], root["items"], root["there"]) == (
        f"{bucket.url}/photos",
        3,
        True,
    )


def test_check_finds_content_that_differs_from_its_row(
    scanned: Tagger, bucket: Bucket
) -> None:
    with raw(scanned.db) as connection:
        connection.execute(
            "UPDATE image SET digest = ? WHERE path = ?", ("0" * 64, "tiny.png")
        )
        connection.commit()

    done = scanned("check", "--all")

    assert done.returncode == 3
    assert f"{bucket.url}/photos/tiny.png" in done.stdout


def test_a_review_shows_a_picture_and_reads_it_once(
    scanned: Tagger, bucket: Bucket
) -> None:
    with Inventory(scanned.db) as inventory:
        everything = Selection(everything=True)
        with inventory.reviewing("x", everything) as reviewing:
            (item,) = reviewing.take(1, without=())
    before = bucket.requests["GET"]

    shown = look_at(item)

    assert shown.photograph is not None
    assert not shown.trouble
    assert bucket.requests["GET"] == before + 1
    bucket.delete(f"photos/{item.path}")
    assert "deleted" in look_at(item).trouble


def test_commands_that_write_beside_pictures_leave_stores_out(
    scanned: Tagger, bucket: Bucket, pictures: Path
) -> None:
    scanned("scan", pictures)

    written = scanned("write-tags", "--undecided")
    into = scanned("write-tags", "--undecided", "--into-files")
    sorted_ = scanned("sort", scanned.folder / "tree", "--undecided")

    for done in (written, into, sorted_):
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1
        assert f"{bucket.url}/photos is in a store" in done.stderr
        assert "1 left out" in done.stdout
    assert "2 tags written" in written.stdout
    assert "2 pictures sorted" in sorted_.stdout


def test_a_root_moves_between_a_disk_and_a_store_and_is_forgotten(
    scanned: Tagger, bucket: Bucket, pictures: Path
) -> None:
    url = f"{bucket.url}/photos"

    assert scanned("roots", "move", url, pictures).returncode == 0
    assert "none of" in scanned.fails("roots", "move", pictures, bucket_root(bucket))
    assert scanned("roots", "move", pictures, url).returncode == 0
    assert "still has pictures" in scanned.fails("roots", "forget", url)
    assert scanned("roots", "forget", f"{url}/", "--yes").returncode == 0
    assert scanned.rows() == {}


def bucket_root(bucket: Bucket) -> str:
    bucket.put("other/z.png", b"x")
    return f"{bucket.url}/other"


def test_folders_in_stores_are_chosen_by_their_url(
    scanned: Tagger, bucket: Bucket
) -> None:
    url = f"{bucket.url}/photos/"

    assert len(scanned("export", "--root", url).stdout.splitlines()) == 4
    done = scanned("review", "--root", url, "--plain", "--all", answers="q\n")
    assert done.returncode == 0, done.stderr


def test_settings_name_a_store(scanned: Tagger, bucket: Bucket) -> None:
    settings = scanned.folder / "tagger.toml"
    settings.write_text(f'[review]\nroot = "{bucket.url}/photos"\n')

    done = scanned("review", "--plain", answers="q\n", TAGGER_CONFIG=str(settings))

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("url", "status", "told"),
    [
        ("s3://no-such-bucket/photos", 1, "does not exist"),
        ("{bucket}/nothing", 1, "does not exist"),
        ("{bucket}/photos/tiny.png", 1, "is a file"),
        ("s3://me:S3CRET@bucket/photos", 2, "AWS_ACCESS_KEY_ID"),
        ("https://example.com/p?token=S3CRET", 2, "leave it out"),
        ("teleport://photos", 2, "teleport"),
        ("zip://photos", 2, "archive"),
        ("zip://photos::/nothing.zip", 1, "does not exist"),
        ("http://127.0.0.1:9/photos", 1, "does not answer"),
    ],
)
def test_a_url_that_cannot_be_scanned_is_one_line(
    at_store: Tagger, bucket: Bucket, url: str, status: int, told: str
) -> None:
    message = refused(at_store, "scan", url.format(bucket=bucket.url), status=status)

    assert told in message
    assert "S3CRET" not in message
    assert not at_store.db.exists()


def test_a_bucket_without_pictures_is_named(at_store: Tagger, bucket: Bucket) -> None:
    bucket.put("texts/a.txt", b"x")

    done = at_store("scan", f"{bucket.url}/texts")

    assert done.returncode == 0
    assert "no pictures in" in done.stderr + done.stdout


def test_without_credentials_a_line_says_where_to_put_them(
    program: Tagger, bucket: Bucket
) -> None:
    program.environment |= bucket.store.environment | {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "HOME": str(program.folder),
    }

    message = program.fails("scan", f"{bucket.url}/photos")

    assert "no credentials" in message


def test_a_store_that_does_not_answer_is_given_up(
    program: Tagger, bucket: Bucket
) -> None:
    bucket.put("photos/tiny.png", (SAMPLES / "tiny.png").read_bytes())
    program.environment |= bucket.store.environment | {"FSSPEC_S3": IMPATIENT}
    assert program("scan", f"{bucket.url}/photos").returncode == 0
    begin = time.monotonic()

    with bucket.store.failing(silent(2)):
        done = program("scan", f"{bucket.url}/photos")

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "does not answer" in done.stderr
    assert time.monotonic() - begin < 30
    assert {row["state"] for row in program.rows().values()} == {"tagged"}


def test_a_store_that_falls_silent_is_given_up_for_all_pictures_at_once(
    program: Tagger, bucket: Bucket
) -> None:
    content = (SAMPLES / "tiny.png").read_bytes()
    for number in range(300):
        bucket.put(f"photos/{number}.png", content + number.to_bytes(2))
    program.environment |= bucket.store.environment | {"FSSPEC_S3": IMPATIENT}
    count = 0

    def fault(method: str, path: str) -> tuple[str, bytes] | None:
        nonlocal count
        count += method == "GET"
        return silent(2)(method, path) if count > 100 else None

    begin = time.monotonic()
    with bucket.store.failing(fault):
        done = program("scan", f"{bucket.url}/photos")

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "does not answer" in done.stderr
    assert time.monotonic() - begin < 40
    assert 0 < len(program.rows()) < 300
    assert program("scan", f"{bucket.url}/photos").returncode == 0
    assert len(program.rows()) == 300


def test_what_looks_at_pictures_says_that_their_store_is_silent(
    program: Tagger, bucket: Bucket
) -> None:
    bucket.put("photos/tiny.png", (SAMPLES / "tiny.png").read_bytes())
    url = f"{bucket.url}/photos/tiny.png"
    program.environment |= bucket.store.environment | {"FSSPEC_S3": IMPATIENT}
    program("scan", f"{bucket.url}/photos")

    with bucket.store.failing(silent(2)):
        assert "does not answer" in program.fails("check", "--all")
        assert "does not answer" in program("predict", url).stdout
        assert "Sneaker" in program("explain", url).stdout
        assert program("status").returncode == 0


@pytest.mark.parametrize(
    ("package", "url"), [("s3fs", "s3://b"), ("fsspec", "https://b")]
)
def test_without_its_package_a_store_is_one_line_with_the_command(
    program: Tagger, package: str, url: str
) -> None:
    folder = program.folder / "without"
    folder.mkdir()
    (folder / f"{package}.py").write_text("raise ImportError('not here')\n")

    message = program.fails("scan", f"{url}/photos", PYTHONPATH=str(folder))

    assert f"needs {package}, which is not installed: " in message
    assert f"-m pip install {package}" in message.replace("'", "")


def test_a_local_scan_imports_nothing_for_stores(
    program: Tagger, pictures: Path
) -> None:
    folder = program.folder / "without"
    folder.mkdir()
    for package in ("fsspec", "s3fs", "aiohttp", "botocore"):
        (folder / f"{package}.py").write_text("raise SystemExit(99)\n")

    for words in (["--help"], ["scan", pictures], ["status"], ["roots", "list"]):
        assert program(*words, PYTHONPATH=str(folder)).returncode == 0


def test_no_credential_reaches_the_inventory(at_store: Tagger, bucket: Bucket) -> None:
    at_store.environment |= {"AWS_SECRET_ACCESS_KEY": "S3CRET"}
    done = at_store("scan", f"{bucket.url}/photos", "--log-format", "json")

    kept = b"".join(
        path.read_bytes() for path in at_store.folder.iterdir() if path.is_file()
    )
    assert b"S3CRET" not in kept
    assert b"tiny.png" in kept
    assert "S3CRET" not in done.stdout + done.stderr


def test_an_archive_is_one_root_of_many(tagger: Tagger, pictures: Path) -> None:
    shutil.make_archive(str(tagger.folder / "all"), "zip", pictures)
    url = f"zip://::{tagger.folder}/all.zip"

    done = tagger("scan", url, pictures)

    assert done.returncode == 0, done.stderr
    assert len(tagger.rows()) == 3
    root = json.loads(tagger("roots", "list", "--json").stdout.splitlines()[-1])["path"]
    told = tagger("explain", f"{root}/tiny.png").stdout
    assert told.startswith(f"{root}/tiny.png\n")  # whole, however long it is
    table = "".join(line.strip() for line in told.splitlines())
    assert f"{pictures}/tiny.png" in table
