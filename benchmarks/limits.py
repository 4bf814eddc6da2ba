"""What the libraries, and Python, need for themselves; each is a process of its own.

    python -m benchmarks.limits start
    python -m benchmarks.limits walk FOLDER INVENTORY

`start` is a command of Typer's with one option, SQLAlchemy, and what Rich draws a table
with; it does nothing. `walk` is the same, the size and the time of every file under a
folder, and all that an inventory knows of its images, as SQLite's own driver gives it.
No command of tagger's can be faster that is written with these.
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
