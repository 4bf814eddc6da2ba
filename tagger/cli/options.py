"""Options shared by several commands, their parsers, and console output."""

import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from tagger.records import Runtime
from tagger.system.database_url import DatabaseUrl, Place, place

if TYPE_CHECKING:
    from rich.console import Console

    from tagger.bundles.bundle import Bundle


_FILE_WIDTH = 200


Db = Annotated[
    Any,  # Place | None: Typer knows no unions
    typer.Option(
        "--db",
        parser=place,
        metavar="file or URL",
        envvar="TAGGER_DB",
        help="Inventory: a file (SQLite), or a URL as postgresql://user@host/name.",
        show_default="inventory.db in the user's data folder",
    ),
]
Reviewer = Annotated[
    str | None,
    typer.Option(
        "--reviewer",
        envvar="TAGGER_REVIEWER",
        help="Name of the reviewer.",
        show_default="the login name",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        envvar="TAGGER_MODEL",
        help="Name of a network, or folder of a bundle.",
        show_default="the network of 'tagger model use', else shops",
    ),
]
RuntimeName = Annotated[
    Runtime,
    typer.Option("--runtime", help="Library that runs the network."),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        min=0.0,
        max=1.0,
        help="Least confidence at which a tag is accepted without a person.",
        show_default="the certified threshold, else the network's own",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsJsonLines = Annotated[
    bool, typer.Option("--json", help="Print JSON, one object per line.")
]


def folder(text: str | Path) -> Path:
    """Parse the path or URL of a folder; reject an empty one, as of an unset variable.

    The result is a location (`tagger.storage`): Typer knows paths alone as a type.
    """
    if not str(text):
        raise typer.BadParameter("the folder name is empty: is a variable not set?")
    return picture(text)


def picture(text: str | Path) -> Path:
    """Parse the path or URL of a picture; the result is a location, as of `folder`."""
    from tagger.storage import typed_location

    return cast("Path", typed_location(text))


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 100 * 365 * 86400


def duration(text: str) -> float:
    """Parse a duration, "90", "90s", "10m", "26h" or "2d", as seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip().lower())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else math.inf
    if seconds > _LONGEST:
        raise typer.BadParameter(f"{text!r} is not a duration such as 90s, 10m or 26h")
    return seconds


def share(text: str) -> float:
    """Parse a share, "20%", "20" or "0.2", as a number from 0 to 1."""
    number = text.strip().removesuffix("%")
    in_percent = number != text.strip()
    if number in {"1", "1.0"} and not in_percent:
        raise typer.BadParameter(f"{text!r} is ambiguous: write 1% or 100%")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if in_percent or value > 1:
        value /= 100
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{text!r} is not a share such as 20% or 0.2")
    return value


def delimiter(text: str) -> str:
    r"""Parse a character between cells; "tab" and "\t" are a tab."""
    from tagger.errors import RequestError

    character = "\t" if text in {"tab", "\\t"} else text
    if len(character) != 1 or character in '"\r\n':
        raise RequestError(
            f"--delimiter {text!r} is not allowed: give one character, as ; or tab"
        )
    return character


def database(path: Place | None) -> Place:
    """Return the place of the inventory; by default a file in the user's data folder.

    Raises HomeError if that user has no home folder, and InventoryError for a path
    without a file name, such as "".
    """
    from tagger.errors import HomeError, InventoryError

    if isinstance(path, DatabaseUrl):
        return path
    if path is not None:
        if not path.name:
            raise InventoryError(f"{path} is a folder: name a file with --db")
        if "\0" in str(path):
            raise typer.BadParameter(
                f"{str(path)!r} cannot be a file name: it has a null character"
            )
        return path
    from tagger.system.user_dirs import data_folder

    try:
        return data_folder() / "inventory.db"
    except HomeError as error:
        raise HomeError(", or name the inventory with --db") from error


def typed(ctx: typer.Context, option: str) -> bool:
    """Whether an option was given on the command line, not by a setting."""
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def inventory_file(path: Place | None, instead: str) -> Path:
    """Return the file of the inventory.

    Raises RequestError, which names what to do `instead`, for one on a server.
    """
    from tagger.errors import RequestError

    found = database(path)
    if isinstance(found, DatabaseUrl):
        raise RequestError(f"{found} is a database on a server: {instead}")
    return found


def database_to_look_in(path: Place | None) -> Place:
    """Return the inventory's place; without a home folder, one that is not there."""
    from tagger.errors import HomeError
    from tagger.system.user_dirs import NO_FOLDER

    try:
        return database(path)
    except HomeError:
        return NO_FOLDER / "inventory.db"


def bundle(name: str | None) -> "Bundle":
    """Load and verify the named bundle, or the user's default."""
    from tagger.bundles.adapted import named
    from tagger.bundles.bundle import default_bundle

    if name is None:
        return default_bundle()
    inventory = os.environ.get("TAGGER_DB")
    return named(database_to_look_in(place(inventory) if inventory else None), name)


def console() -> "Console":
    """Return a console without markup; `_FILE_WIDTH` columns wide in a file."""
    from rich.console import Console

    plain = Console(highlight=False, emoji=False, markup=False)
    if not plain.is_terminal and "COLUMNS" not in os.environ:
        plain.width = _FILE_WIDTH  # so that a search by line finds whole texts
    return plain


def print_json(value: Mapping[str, Any]) -> None:
    """Print an object as JSON on one line; moments as ISO 8601, paths as text."""
    sys.stdout.write(as_json(value) + "\n")


def as_json(value: Mapping[str, Any]) -> str:
    r"""Return an object as JSON on one line; moments as ISO 8601, paths as text.

    The JSON is strict (RFC 8259): a number that is not finite becomes null, and a byte
    of a file name that is not UTF-8 the text `\xff`, as in exports.
    """
    import json

    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: Any) -> Any:  # noqa: ANN401  any value that JSON has a form for
    from tagger.text import encodable

    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat()
        case Mapping():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return encodable(str(value))


@contextmanager
def telling_of(done: str, hint: str = "") -> Iterator[None]:
    """Print the result of finished work inside this context.

    If it cannot be printed, raise OutputError, which says that the work is `done`.
    """
    from tagger.errors import OutputError

    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        raise OutputError(
            f"{done}, but the result could not be written to standard output "
            f"({error.strerror}){hint}"
        ) from error


def warn(message: str) -> None:
    """Print a warning on standard error."""
    note(f"warning: {message}")


def note(line: str) -> None:
    """Print a line on standard error, and not into the line of an activity."""
    from tagger.cli.activity import aside
    from tagger.text import printable

    with aside():
        typer.echo(printable(line), err=True)


def login_name() -> str:
    """Return the login name; "" for a user id without a name."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def reviewer_name(named: str | None) -> str:
    """Return the reviewer: as named, else the login name; RequestError if neither."""
    from tagger.errors import RequestError

    name = (login_name() if named is None else named).strip()
    if not name:
        raise RequestError(
            "your login name is not known here: add --reviewer and your name"
        )
    return name
