"""What cron would mail after four nights, for the README: real scans of the samples."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support import SAMPLES, expected_by_file

from tagger.inventory import scan_lock

_SHOWN = {
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+\d\d:\d\d": "2026-11-22 02:30:07+01:00",
    r"pid \d+ on \S+, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d": (
        "pid 4711 on shop, since 2026-11-21 02:30:01"
    ),
    r"done in \d+\.\d s": "done in 6.9 s",
}


def nights() -> Iterator[tuple[str, str]]:
    """Yield a heading and the mail's text, with times and places made lasting."""
    with tempfile.TemporaryDirectory() as folder:
        photos, database = Path(folder, "photos"), Path(folder, "inventory.db")
        photos.mkdir()
        good = [n for n, end in expected_by_file().items() if end != "unreadable"]
        for name in good:
            shutil.copy(SAMPLES / name, photos)
        yield "A good night", _mail(photos, database)
        yield "The same with `--quiet`", _mail(photos, database, "--quiet")
        for name in ("empty.jpg", "not-an-image.jpg", "truncated.jpg"):
            shutil.copy(SAMPLES / name, photos)
        yield "A night with three bad files", _mail(photos, database, "--quiet")
        yield "The night after", _mail(photos, database)
        with scan_lock(database):
            yield "A locked night", _mail(photos, database, "--quiet")
        photos.rename(photos.with_name("unplugged"))
        yield "A missing disk", _mail(photos, database, "--quiet")


def _mail(photos: Path, database: Path, *options: str) -> str:
    environment = {"TAGGER_DB": str(database), "TAGGER_SETTLE": "0", "TZ": "UTC"}
    done = subprocess.run(
        [sys.executable, "-m", "tagger", "scan", str(photos), *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # cron puts both into one mail
        text=True,
        check=False,
    )
    text = done.stdout.replace(str(photos), "/srv/photos")
    text = text.replace(str(database), "/var/lib/shop/inventory.db")
    for pattern, shown in _SHOWN.items():
        text = re.sub(pattern, shown, text)
    return text or "(no mail)\n"
