"""`tagger model`: what can be done with networks. One module a verb."""

import typer

from tagger.cli.model.compare import compare
from tagger.cli.model.evaluate import evaluate
from tagger.cli.model.train import train

model = typer.Typer(
    name="model", help="Train, measure and choose networks.", no_args_is_help=True
)
model.command()(evaluate)
model.command()(compare)
model.command()(train)
