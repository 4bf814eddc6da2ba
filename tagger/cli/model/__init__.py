"""`tagger model`: train, measure and choose networks; one module per command."""

import typer

from tagger.cli.model.adapt import adapt
from tagger.cli.model.add import add
from tagger.cli.model.compare import compare
from tagger.cli.model.embed import embed
from tagger.cli.model.evaluate import evaluate
from tagger.cli.model.list import list_bundles
from tagger.cli.model.rollback import rollback
from tagger.cli.model.show import show
from tagger.cli.model.train import train
from tagger.cli.model.use import use

model = typer.Typer(
    name="model", help="Train, measure and choose networks.", no_args_is_help=True
)
model.command("list")(list_bundles)
model.command()(show)
model.command()(use)
model.command()(add)
model.command()(adapt)
model.command()(rollback)
model.command()(evaluate)
model.command()(compare)
model.command()(embed)
model.command()(train)
