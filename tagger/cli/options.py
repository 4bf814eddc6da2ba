"""Options that several commands take, and the values they stand for."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.records import Runtime

if TYPE_CHECKING:
    from rich.console import Console

    from tagger.bundle import Bundle


_FILE_WIDTH = 200


Db = Annotated[
    Path | None,
    typer.Option(
        "--db",
        readable=False,
        envvar="TAGGER_DB",
        help="The inventory, a SQLite file.",
        show_default="inventory.db in the user's data folder",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        envvar="TAGGER_MODEL",
        help="A network's name, or a folder with a bundle.",
        show_default="what 'tagger model use' chose, else shops",
    ),
]
RuntimeName = Annotated[
    Runtime,
    typer.Option("--runtime", help="What runs the network."),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        min=0.0,
        max=1.0,
        help="Least confidence accepted without a person.",
        show_default="the network's own",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def database(path: Path | None) -> Path:
    """Return the inventory's file; by default one a user, whatever the folder."""
    if path is not None:
        return path
    from platformdirs import user_data_path

    return user_data_path("tagger") / "inventory.db"


def bundle(name: str | None) -> "Bundle":
    """Load the named bundle, or the user's default; its files are verified."""
    from tagger.bundle import default_bundle, find_bundle

    return default_bundle() if name is None else find_bundle(name)


def console() -> "Console":
    """Return a console that interprets nothing, and is wide where nobody looks."""
    from rich.console import Console

    plain = Console(highlight=False, emoji=False, markup=False)
    if not plain.is_terminal and "COLUMNS" not in os.environ:
        plain.width = _FILE_WIDTH  # a log is searched by line
    return plain


def print_json(value: dict[str, Any]) -> None:
    """Print an object on one line; moments as ISO 8601, paths as text."""
    import json

    sys.stdout.write(json.dumps(value, default=_as_json) + "\n")


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def warn(message: str) -> None:
    """Say something on standard error that the user should know."""
    from tagger.text import printable

    typer.echo(printable(f"warning: {message}"), err=True)
