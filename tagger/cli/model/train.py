"""`tagger model train`: fit a network and write it as a bundle."""

from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tagger.cli.model import arguments

if TYPE_CHECKING:
    from tagger.bundles.bundle import Bundle
    from tagger.training.step_loop import Progress
    from tagger.training.train import Settings


_LATE_PASSES: Final = 6
"""Ends of passes that the time left is told from."""

_LINE_SECONDS: Final = 60
"""Seconds between two lines of a training that nobody watches."""


_Mark = tuple[float, int]
"""A moment in seconds, and how many passes or steps were done then."""


class Vary(StrEnum):
    """How pictures are varied by chance while a network is trained."""

    NONE = "none"
    MIRROR = "mirror"
    TURN = "turn"


def train(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", readable=False, help="Folder of the bundle to write."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            help="Labelled images: a folder with the IDX files of Fashion-MNIST, a "
            "folder with labels.csv (file, label, group), a folder of folders named by "
            "their tags, a CSV file of Fashion-MNIST, or keras:fashion_mnist.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="TOML file that mixes several sets, in place of DATA. Its keys are in "
            "models/README.md of the sources, with models/shops.toml, the bundled "
            "network's.",
            show_default=False,
        ),
    ] = None,
    arch: Annotated[
        str,
        typer.Option(
            help="Network, trained as its article says: three-block, two-conv, "
            "two-conv-sigmoid, strided, one-conv, three-conv, four-conv or vgg19."
        ),
    ] = "three-block",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the data.  [default: the article's]"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images a step.  [default: the article's]")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1e-9, help="Adam's rate.  [default: the article's]"),
    ] = None,
    vary: Annotated[
        Vary | None,
        typer.Option(
            help="Vary pictures by chance: mirror and move, or turn, move and zoom.  "
            "[default: the article's]"
        ),
    ] = None,
    patient: Annotated[
        bool | None,
        typer.Option(
            "--patient/--steady",
            help="Halve the rate, then end, where the held-back loss stands still.  "
            "[default: the article's]",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="File of pre-trained weights, for vgg19.",
            show_default=False,
        ),
    ] = None,
    own_tags: Annotated[
        bool, typer.Option("--own-tags", help="Take the labels of DATA as the tags.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Seed of all chance.")
    ] = 1,
) -> None:
    """Train a network and write it as a bundle.

    A training that was interrupted goes on when the same command is given again; till
    then its state lies beside the bundle, in a folder that ends in .training.

    A bundle by an article keeps up to 2,600 prepared pictures of DATA, 28x28, to learn
    further with 'tagger model adapt': think of it before you give the bundle away.

    Example: tagger model train /usr/share/datasets/fashion-mnist -o models/mine
    """
    from tagger.training.architectures import ARCHITECTURES
    from tagger.training.train import Settings

    if (data is None) == (recipe is None):
        raise typer.BadParameter("name either DATA or --recipe")
    if arch not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise typer.BadParameter(f"{arch} is none of {known}", param_hint="--arch")
    if weights is not None and not weights.is_file():
        raise typer.BadParameter(f"no file {weights}", param_hint="--weights")
    settings = Settings(
        architecture=arch,
        epochs=epochs,
        batch_size=batch_size,
        rate=rate,
        variation=None if vary is None else vary.value,
        patient=patient,
        weights=weights,
        seed=seed,
    )
    if recipe is not None and (own_tags or settings != Settings()):
        raise typer.BadParameter(
            "a recipe says all of how to train: change the file, and leave the other "
            "options away",
            param_hint="--recipe",
        )
    if recipe is not None:
        bundle = _by_recipe(recipe, output)
    else:
        bundle = _by_article(str(data), output, settings, own_tags=own_tags)
    for name, value in bundle.card.metrics.items():
        typer.echo(f"{name} {value:.4f}")
    typer.echo(f"threshold {bundle.card.policy.threshold:.2f}")
    typer.echo(f"wrote {bundle.folder}")


def _by_article(
    data: str, output: Path, settings: "Settings", *, own_tags: bool
) -> "Bundle":
    from tagger.training.train import train_bundle

    began = monotonic()
    ended: deque[_Mark] = deque(maxlen=_LATE_PASSES)

    def show(epoch: int, epochs: int, measures: Mapping[str, float]) -> None:
        # By the first pass, which also loads and compiles, only until there is another.
        since = ended[0] if ended else (began, epoch - 1)
        ended.append((monotonic(), epoch))
        shown = "  ".join(f"{name} {value:.4f}" for name, value in measures.items())
        left = _left(since, ended[-1], epochs)
        typer.echo(f"epoch {epoch}/{epochs}  {shown}{left}")

    return train_bundle(
        data, output, settings, show, own_tags=own_tags, tell=arguments.tell
    )


def _left(first: _Mark, last: _Mark, of: int) -> str:
    """Tell how long the rest takes at the pace between two marks; "" where not long."""
    seconds = (of - last[1]) * (last[0] - first[0]) / max(1, last[1] - first[1])
    return f"  {seconds / 60:.0f} min left" if seconds >= 30 else ""  # noqa: PLR2004


def _by_recipe(path: Path, output: Path) -> "Bundle":
    from tqdm import tqdm

    from tagger.training.recipe import read_recipe
    from tagger.training.train import train_by_recipe

    recipe = read_recipe(path)
    steps = sum(stage.pictures // recipe.batch_size for stage in recipe.stages)
    bar = tqdm(total=steps, unit="step", disable=None)
    first: _Mark | None = None
    told = monotonic()

    def move(progress: "Progress") -> None:
        nonlocal first, told
        mark = monotonic(), progress.step
        first = first or mark
        if bar.disable and mark[0] - told >= _LINE_SECONDS:  # into a log
            left = _left(first, mark, steps)
            typer.echo(f"step {progress.step}/{steps}  loss {progress.loss:.3f}{left}")
            told = mark[0]
        if not bar.n:  # a training that goes on has not just done the former steps
            bar.n = bar.initial = progress.step - 1
        bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
        bar.update()

    def tell(line: str) -> None:
        with bar.external_write_mode():
            arguments.tell(line)

    with bar:
        return train_by_recipe(recipe, output, move, tell)
