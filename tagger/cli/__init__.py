"""The command line: parse, call one function, print, exit.

One module a verb. Nothing heavy is imported before a command runs, so that `--help`
costs what Typer costs.
"""

import os
import signal
import sys
from types import FrameType
from typing import Annotated, Never

import typer

from tagger import __version__
from tagger.cli.explain import explain
from tagger.cli.export import export
from tagger.cli.model import model
from tagger.cli.predict import predict
from tagger.cli.scan import scan
from tagger.cli.status import status
from tagger.errors import Stopped, TaggerError

app = typer.Typer(
    help="Tag folders of shop photographs into a SQLite inventory.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=(
        "Exit status: 0 done, 1 failed, 2 usage, 3 done but some images could not be "
        "read, 130 or 143 interrupted (what was finished is saved)."
    ),
)
app.command()(scan)
app.command()(status)
app.command()(export)
app.command()(predict)
app.command()(explain)
app.add_typer(model)


@app.callback()
def _globals(
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", envvar="TAGGER_DEBUG", help="Show tracebacks of failures."
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda wanted: _show_version(wanted=wanted),
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    del version
    if debug:
        os.environ["TAGGER_DEBUG"] = "1"


def main() -> Never:
    """Run the program; every failure is one line on standard error and a status."""
    # Names that are no UTF-8 must not stop the program that reports on them.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app()
        status = 0
    except Stopped as stopped:
        _complain("interrupted: what was finished is saved")
        status = stopped.exit_code
    except TaggerError as error:
        _show_traceback_if_asked()
        _complain(f"error: {error}")
        status = 1
    except Exception as error:  # noqa: BLE001  no traceback ever reaches a user
        _show_traceback_if_asked()
        _complain(
            f"error: tagger has a fault: {type(error).__name__}: {error} "
            "(please report it with the output of 'tagger --debug …')"
        )
        status = 1
    sys.exit(status)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"tagger {__version__}")
        raise typer.Exit


def _stop(number: int, _frame: FrameType | None) -> Never:
    raise Stopped(number)


def _complain(message: str) -> None:
    from tagger.text import printable

    typer.echo(printable(message), err=True)


def _show_traceback_if_asked() -> None:
    if os.environ.get("TAGGER_DEBUG"):
        import traceback

        traceback.print_exc()
