"""What a person sees who types commands, for the README and the pages of docs/.

The real program runs in a terminal, over some of the sample images.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import SAMPLES, expected_by_file
from support.program import Tagger, in_a_terminal

HOME = "/home/ana"
"""The folder that the texts show in place of the temporary one."""

_SHOWN = {
    r"\x1b\[[\d;?]*[a-zA-Z]": "",
    r"[^\n]*\r(?!\n)": "",  # a progress bar, which the next line overwrites
    r"\r\n": "\n",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d": "2026-11-22 02:30:07",
    r" on \S+, took \d+\.\d s": " on shop, took 1.2 s",
    r"(?m)^\d+\.\d s$": "1.2 s",
    r"[ ]+\n": "\n",
}


@contextmanager
def home_with_photos() -> Iterator[Path]:
    """Yield a folder to work in, with the readable sample images in `photos`."""
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        photos.mkdir()
        for name, expected in expected_by_file().items():
            if expected != "unreadable":
                shutil.copy(SAMPLES / name, photos)
        yield Path(folder).resolve()


def transcript(
    *lines: str, after: tuple[str, ...] = (), bad: tuple[str, ...] = ()
) -> str:
    """Return a session in Markdown: each command after `$`, then what it shows.

    `after` are commands that run before it and are not shown. `bad` are unreadable
    samples that are among the photographs, too.
    """
    with home_with_photos() as home:
        for name in bad:
            shutil.copy(SAMPLES / name, home / "photos")
        for line in after:
            _shown(line, home)
        shown = (f"$ {line}\n{_shown(line, home).strip()}" for line in lines)
        return "```console\n" + "\n\n".join(shown) + "\n```"


def _shown(line: str, home: Path) -> str:
    tagger = Tagger(home)
    tagger.environment |= {"NO_COLOR": "1", "TZ": "UTC"}
    here = f'cd {shlex.quote(str(home))}; stty columns 200; exec "$@"'
    command = [sys.executable, "-m", *shlex.split(line)]
    text = in_a_terminal(["bash", "-c", here, "bash", *command], tagger)
    for pattern, shown in _SHOWN.items():
        text = re.sub(pattern, shown, text)
    return text.replace(str(home), HOME)


def run_block(block: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """Run a block of shell commands as a reader would who copies it."""
    tagger = Tagger(home)
    programs = str(Path(sys.executable).parent)
    place = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],  # noqa: S607
        cwd=home,
        env=tagger.environment | place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
