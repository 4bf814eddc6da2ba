"""`tagger check`: what is sound, and what is not."""

import json
import os
from pathlib import Path

from support import Photo, many
from support.inventories import raw
from support.program import Tagger


def test_a_sound_inventory_is_told_to_be_sound(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    tagger("scan", shop)

    done = tagger("check")
    told = json.loads(tagger("check", "--all", "--json").stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert "3 pictures read" in done.stdout
    assert (told["damage"], told["files_read"], told["exit_code"]) == ([], 3, 0)
    assert json.loads(tagger("check", "--sample", 2, "--json").stdout)[
        "files_read"
    ] == (2)


def test_other_bytes_behind_the_same_size_and_time_are_found(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    tagger("scan", shop)
    rotten, changed = shop / "1.png", shop / "2.png"
    times = rotten.stat()
    data = bytearray(rotten.read_bytes())
    data[-20] ^= 1
    rotten.write_bytes(data)
    os.utime(rotten, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed.write_bytes(b"a new upload")

    done = tagger("check", "--all")

    assert done.returncode == 3
    told = " ".join(done.stdout.split())  # folded where the folder's name is long
    assert f"content changed since the scan: {rotten}" in told
    assert str(changed) not in done.stdout
    assert "save them again and scan" in told

    rotten.touch()
    changed.unlink()
    tagger("scan", shop, "--max-missing", "100%")
    again = tagger("check", "--all")

    assert again.returncode == 0
    assert "save them again" not in again.stdout


def test_rows_that_name_nothing_are_damage(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 2)
    tagger("scan", shop)
    with raw(tagger.db) as connection, connection:
        connection.execute("DELETE FROM root")
        connection.execute("UPDATE image SET digest = 'x' WHERE path = '0.png'")

    done = tagger("check")

    assert done.returncode == 1
    assert "a row of image refers to a missing row of root" in done.stdout
    assert "1 predictions without a picture" in done.stdout
    assert "is damaged" in done.stderr
    assert "tagger restore" in done.stderr
