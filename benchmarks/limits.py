"""What the libraries, and Python, need for themselves; each is a process of its own.

    python -m benchmarks.limits start
    python -m benchmarks.limits load FILE.tflite
    python -m benchmarks.limits walk FOLDER INVENTORY

`start` is a command of Typer's with one option, SQLAlchemy, and what Rich draws a table
with; it does nothing. `load` is the same and what decodes and classifies a picture, in
one process, where no picture is safe from another. `walk` is the size and time of every
file under a folder, and all that an inventory knows of its images, as SQLite's driver
gives it. No command of tagger's can be faster that is written with these.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated

import rich.console
import rich.table
import sqlalchemy
import typer

app = typer.Typer()


@app.command()
def start(label: Annotated[str, typer.Option()] = "") -> None:
    """Have the libraries loaded, and an option checked."""
    del label
    _ = sqlalchemy.MetaData, rich.console.Console, rich.table.Table


@app.command()
def load(network: Path) -> None:
    """Have loaded, too, what decodes and classifies, and a network."""
    import cv2  # noqa: PLC0415  only here
    import PIL.Image  # noqa: PLC0415
    from ai_edge_litert.interpreter import Interpreter

    _ = cv2.imdecode, PIL.Image.open
    Interpreter(model_path=str(network)).allocate_tensors()


@app.command()
def walk(folder: Path, inventory: Path) -> None:
    """Look at every file, and read what is known of each."""
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
    query = "SELECT path, id, size, mtime_ns, state, reason, digest FROM image"
    with closing(sqlite3.connect(inventory)) as connection:
        connection.execute(query).fetchall()


if __name__ == "__main__":
    app()
