"""`tagger help`: show the help of tagger or of one command."""

from typing import Annotated

import typer


def help_(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="Words of the command.", show_default="tagger itself"),
    ] = None,
) -> None:
    """Show the help of a command, as its option --help does.

    Example: tagger help roots move
    """
    root = ctx.find_root()
    root.command.main([*(command or ()), "--help"], prog_name=root.info_name)
