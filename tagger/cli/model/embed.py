"""`tagger model embed`: what a network makes of pictures before it names them."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.model import arguments


def embed(
    bundle: arguments.BundleName,
    data: Annotated[
        str, typer.Argument(help="Labelled images, as for tagger model evaluate.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", readable=False, help="Folder for what is drawn."
        ),
    ],
    axis: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="Two labels, or parts of labels: a line is drawn between them.",
            show_default="the tags most often taken for each other",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=5, max=20_000, help="Pictures drawn by lot at most.")
    ] = 2000,
    part: arguments.PartName = arguments.PartChoice.TEST,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all chance.")] = 1,
) -> None:
    """Draw a network's last hidden layer by PCA and t-SNE, and for TensorBoard.

    Example: tagger model embed shops photos/labelled -o drawn --axis Shirt Coat
    """
    from tagger.datasets.load import load
    from tagger.evaluation import embedding

    found = options.bundle(bundle)
    embedding.check_embedding(output)
    arguments.reading(data)
    pictures = embedding.some_of(
        load(data, part.value, found.card.tags, tell=arguments.tell), limit, seed
    )
    if axis is not None:
        embedding.check_axis(pictures, axis)
    typer.echo("starting TensorFlow, which takes about 15 seconds …", err=True)
    left, right = embedding.embed(found, pictures, output, axis, seed)
    typer.echo(f"wrote pca.png, tsne.png and axis.png ({left} to {right}) in {output}")
    typer.echo(
        "to walk through it: pip install tensorboard; "
        f"tensorboard --logdir {output / embedding.PROJECTOR}"
    )
