"""`tagger model`: train networks."""

from pathlib import Path
from typing import Annotated

import typer

model = typer.Typer(name="model", help="Train networks.", no_args_is_help=True)


@model.callback()
def _group() -> None:
    """Keep `train` a command of its own while it is the only one."""


@model.command()
def train(
    data: Annotated[
        str,
        typer.Argument(
            help="Labelled images: a folder with the IDX files of Fashion-MNIST, a "
            "folder with labels.csv, a folder of folders named by their tags, a CSV "
            "file of Fashion-MNIST, or keras:fashion_mnist."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", readable=False, help="Folder of the bundle to write."
        ),
    ],
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the data.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all chance.")] = 1,
) -> None:
    """Train the three-block network and write it as a bundle.

    Example: tagger model train /usr/share/datasets/fashion-mnist -o models/mine
    """
    from tagger.training import Settings, train_bundle

    def show(epoch: int, measures: dict[str, float]) -> None:
        shown = "  ".join(f"{name} {value:.4f}" for name, value in measures.items())
        typer.echo(f"epoch {epoch}/{epochs}  {shown}")

    bundle = train_bundle(
        data, output, Settings(epochs=epochs, batch_size=batch_size, seed=seed), show
    )
    for name, value in bundle.card.metrics.items():
        typer.echo(f"{name} {value:.4f}")
    typer.echo(f"threshold {bundle.card.policy.threshold:.2f}")
    typer.echo(f"wrote {bundle.folder}")
