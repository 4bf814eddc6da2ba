"""`tagger model embed`: draw the last hidden layer of a network."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.model import arguments


def embed(
    bundle: arguments.BundleName,
    data: Annotated[
        str, typer.Argument(help="Labelled pictures, as for 'tagger model evaluate'.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", readable=False, help="Folder to write the drawings to."
        ),
    ],
    axis: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="Two labels, or parts of labels, to draw a line between.",
            show_default="the tags most often taken for each other",
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(min=5, max=20_000, help="Most pictures to use, drawn at random."),
    ] = 2000,
    part: arguments.PartName = arguments.PartChoice.TEST,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 1,
) -> None:
    """Draw a network's last hidden layer by PCA and t-SNE, and for TensorBoard.

    Example: tagger model embed shops photos/labelled -o drawn --axis Shirt Coat
    """
    with activity("loading the network") as doing:
        from tagger.datasets.load import load
        from tagger.evaluation import embedding

        found = options.bundle(bundle)
        embedding.check_embedding(output)
        doing.now(f"reading {data}")
        pictures = embedding.some_of(
            load(data, part.value, found.card.tags, tell=arguments.tell), limit, seed
        )
        if axis is not None:
            embedding.check_axis(pictures, axis)
        doing.now("starting TensorFlow and drawing, about 15 seconds")
        left, right = embedding.embed(found, pictures, output, axis, seed)
    typer.echo(f"wrote pca.png, tsne.png and axis.png ({left} to {right}) in {output}")
    typer.echo(
        "to explore it: pip install tensorboard; "
        f"tensorboard --logdir {output / embedding.PROJECTOR}"
    )
