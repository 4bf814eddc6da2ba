"""`tagger model train`: train a network and write it as a bundle."""

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
"""Number of latest passes from which the remaining time is estimated."""

_LINE_SECONDS: Final = 60
"""Seconds between two progress lines in a log."""


_Mark = tuple[float, int]
"""A time in s, and the number of passes or steps done by then."""


class Vary(StrEnum):
    """Augmentation of the pictures during training."""

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
            help="Labelled pictures: a folder with the IDX files of Fashion-MNIST, a "
            "folder with labels.csv (file, label, group), a folder with one subfolder "
            "per tag, a CSV file of Fashion-MNIST, or keras:fashion_mnist.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Recipe, a TOML file that mixes several data sets, instead of DATA. "
            "models/README.md in the sources explains its keys; models/shops.toml is "
            "the recipe of the bundled network.",
            show_default=False,
        ),
    ] = None,
    arch: Annotated[
        str,
        typer.Option(
            help="Architecture, trained as in its article: three-block, two-conv, "
            "two-conv-sigmoid, strided, one-conv, three-conv, four-conv or vgg19."
        ),
    ] = "three-block",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the data.  [default: the article's]"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Pictures per step.  [default: the article's]"),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1e-9, help="Learning rate of Adam.  [default: the article's]"),
    ] = None,
    vary: Annotated[
        Vary | None,
        typer.Option(
            help="Augmentation at random: mirror (and move), or turn (move and zoom).  "
            "[default: the article's]"
        ),
    ] = None,
    patient: Annotated[
        bool | None,
        typer.Option(
            "--patient/--steady",
            help="Halve the rate, then stop, when the held-back loss stops falling.  "
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
        bool, typer.Option("--own-tags", help="Use the labels of DATA as the tags.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed.")] = 1,
) -> None:
    """Train a network and write it as a bundle.

    Run the same command again to continue an interrupted training; its checkpoint is
    beside the bundle, in a folder that ends in .training.

    Without --recipe the bundle keeps up to 2,600 pictures of DATA as 28x28 views, for
    'tagger model adapt': consider this before you share the bundle.

    Example: tagger model train /usr/share/datasets/fashion-mnist -o models/mine
    """
    from tagger.training.architectures import ARCHITECTURES
    from tagger.training.train import Settings

    if (data is None) == (recipe is None):
        raise typer.BadParameter("give either DATA or --recipe")
    if arch not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise typer.BadParameter(f"{arch} is not one of {known}", param_hint="--arch")
    if weights is not None and not weights.is_file():
        raise typer.BadParameter(f"{weights} is not a file", param_hint="--weights")
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
            "a recipe holds all settings of a training: change the file, and leave out "
            "the other options",
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
        # The first pass also loads and compiles: measure from it only until the second.
        since = ended[0] if ended else (began, epoch - 1)
        ended.append((monotonic(), epoch))
        shown = "  ".join(f"{name} {value:.4f}" for name, value in measures.items())
        left = _left(since, ended[-1], epochs)
        typer.echo(f"epoch {epoch}/{epochs}  {shown}{left}")

    return train_bundle(
        data, output, settings, show, custom_tags=own_tags, tell=arguments.tell
    )


def _left(first: _Mark, last: _Mark, of: int) -> str:
    """Return the time left at the pace between two marks; "" if under half a minute."""
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
    printed = monotonic()

    def move(progress: "Progress") -> None:
        nonlocal first, printed
        mark = monotonic(), progress.step
        first = first or mark
        if bar.disable and mark[0] - printed >= _LINE_SECONDS:  # into a log
            left = _left(first, mark, steps)
            typer.echo(f"step {progress.step}/{steps}  loss {progress.loss:.3f}{left}")
            printed = mark[0]
        if not bar.n:  # a continued training did its earlier steps in another run
            bar.n = bar.initial = progress.step - 1
        bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
        bar.update()

    def tell(line: str) -> None:
        with bar.external_write_mode():
            arguments.tell(line)

    with bar:
        return train_by_recipe(recipe, output, move, tell)
