"""`tagger model`: what can be done with networks. One module a verb."""

import typer

from tagger.cli.model.train import train

model = typer.Typer(name="model", help="Train networks.", no_args_is_help=True)


@model.callback()
def _group() -> None:
    """Keep `train` a command of its own while it is the only one."""


model.command()(train)
