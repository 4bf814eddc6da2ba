"""Assemble the command line from one module per command.

A command parses its options, calls one function, prints the result and exits. Heavy
packages are imported when a command runs, so that `--help` takes as long as Typer.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated

import typer

from tagger.cli import options, settings
from tagger.cli.backup import backup
from tagger.cli.certify import calibrate, certify
from tagger.cli.check import check
from tagger.cli.config import config
from tagger.cli.decisions import decisions
from tagger.cli.explain import explain
from tagger.cli.export import export
from tagger.cli.help import help_
from tagger.cli.ignore import ignore
from tagger.cli.import_ import import_
from tagger.cli.inventory import inventory
from tagger.cli.man import man
from tagger.cli.model import model
from tagger.cli.predict import predict
from tagger.cli.report import report
from tagger.cli.restore import restore
from tagger.cli.review import review
from tagger.cli.roots import roots
from tagger.cli.runs import runs
from tagger.cli.scan import scan
from tagger.cli.sort import sort
from tagger.cli.start import start
from tagger.cli.status import status
from tagger.cli.tags import tags
from tagger.cli.write_tags import write_tags
from tagger.errors import EXIT_USAGE
from tagger.version import __version__

app = typer.Typer(
    help="Tag folders of shop photographs into a SQLite inventory.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={
        "auto_envvar_prefix": "TAGGER",
        "help_option_names": ["--help", "-h"],
    },
    epilog=(
        "Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but files are newly "
        "unreadable or were left out, or a folder is gone, 4 done but no threshold "
        "could be certified, 5 done but the adapted network was refused, 11 another "
        "scan is running, 130 or 143 interrupted (finished work is saved)."
    ),
)

_EVERY_DAY = "Every day"
_IN_AND_OUT = "In and out"
_LEARNING = "Learning"
_ADMINISTRATION = "Administration"

app.command(rich_help_panel=_EVERY_DAY)(scan)
app.command(rich_help_panel=_EVERY_DAY)(review)
app.command(rich_help_panel=_EVERY_DAY)(status)
app.command(rich_help_panel=_EVERY_DAY)(explain)
app.command(rich_help_panel=_EVERY_DAY)(ignore)
app.command("help", rich_help_panel=_EVERY_DAY)(help_)
app.command(rich_help_panel=_IN_AND_OUT)(export)
app.command("import", rich_help_panel=_IN_AND_OUT)(import_)
app.command("write-tags", rich_help_panel=_IN_AND_OUT)(write_tags)
app.command(rich_help_panel=_IN_AND_OUT)(sort)
app.command(rich_help_panel=_IN_AND_OUT)(report)
app.command(rich_help_panel=_IN_AND_OUT)(predict)
app.add_typer(decisions, rich_help_panel=_IN_AND_OUT)
app.add_typer(tags, rich_help_panel=_LEARNING)
app.command(rich_help_panel=_LEARNING)(certify)
app.command("calibrate", hidden=True)(calibrate)
app.add_typer(model, rich_help_panel=_LEARNING)
app.add_typer(inventory, rich_help_panel=_ADMINISTRATION)
app.add_typer(roots, rich_help_panel=_ADMINISTRATION)
app.add_typer(runs, rich_help_panel=_ADMINISTRATION)
app.command(rich_help_panel=_ADMINISTRATION)(check)
app.command(rich_help_panel=_ADMINISTRATION)(backup)
app.command(rich_help_panel=_ADMINISTRATION)(restore)
app.add_typer(config, rich_help_panel=_ADMINISTRATION)
app.command(rich_help_panel=_ADMINISTRATION)(man)


@app.callback()
def _globals(
    ctx: typer.Context,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", envvar="TAGGER_DEBUG", help="Show the traceback of an error."
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda wanted: _show_version(wanted=wanted),
            help="Show the version and exit.",
            allow_from_autoenv=False,
        ),
    ] = False,
) -> None:
    del version
    settings.rename_variables()
    ctx.default_map = settings.defaults(ctx)
    _warn_of(ctx, settings.misspelt(ctx))
    if debug:
        os.environ["TAGGER_DEBUG"] = "1"
    if ctx.invoked_subcommand is None:
        _without_command(ctx)


def _warn_of(ctx: typer.Context, lines: Iterable[str]) -> None:
    """Print warnings now; those of a scan when its log format is known.

    A scan takes them from `ctx.obj`. Those that it leaves, as after a wrong option, are
    printed at the end.
    """
    waiting = ctx.obj = list(lines)

    def warn() -> None:
        while waiting:
            options.warn(waiting.pop(0))

    if ctx.invoked_subcommand == "scan":
        ctx.call_on_close(warn)
    else:
        warn()


def _without_command(ctx: typer.Context) -> None:
    """Help a person in a terminal; show a script that its command is missing."""
    if not sys.stdout.isatty():
        typer.echo(ctx.get_help())
        raise typer.Exit(EXIT_USAGE)
    start(ctx)


def _restore_help(group: typer.Typer) -> None:
    """Read the help of commands from the source, where `python -OO` drops it."""
    import ast
    import inspect
    import textwrap

    for command in group.registered_commands:
        if command.callback and not command.callback.__doc__:
            source = textwrap.dedent(inspect.getsource(command.callback))
            (function,) = ast.parse(source).body
            command.callback.__doc__ = ast.get_docstring(function)  # type: ignore[arg-type]
    for child in group.registered_groups:
        if child.typer_instance:
            _restore_help(child.typer_instance)


if sys.flags.optimize > 1:
    with suppress(OSError):  # without the source, there is no help
        _restore_help(app)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"tagger {__version__}")
        raise typer.Exit
