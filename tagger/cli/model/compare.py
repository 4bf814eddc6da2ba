"""`tagger model compare`: whether one network is better than another, or luckier."""

from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.model import arguments


def compare(
    first: arguments.BundleName,
    second: arguments.BundleName,
    data: arguments.DataSets,
    part: arguments.PartName = arguments.PartChoice.TEST,
    precision: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Accepted precision that coverage is compared at."
        ),
    ] = 0.95,
    resamples: Annotated[
        int, typer.Option(min=100, max=100_000, help="Times that chance draws anew.")
    ] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of that chance.")] = 1,
    as_json: options.AsJson = False,
) -> None:
    """Compare two networks on the same labelled pictures, and say how sure that is.

    Example: tagger model compare three-block shops photos/labelled
    """
    from dataclasses import asdict

    from tagger.cli.views import model_views
    from tagger.evaluation import results
    from tagger.text import printable

    bundles = options.bundle(first), options.bundle(second)
    method = results.Method(precision, resamples, seed)
    told = results.compare_bundles(
        bundles,
        data,
        part=part.value,
        method=method,
        reading=arguments.reading,
        tell=arguments.tell,
    )
    names = bundles[0].card.name, bundles[1].card.name
    if names[0] == names[1]:  # as they were named, to be told apart
        names = printable(first), printable(second)
    if as_json:
        compared = [asdict(one) for one in told]
        options.print_json(
            {"first": names[0], "second": names[1], "part": part}
            | asdict(method)
            | {"compared": compared}
        )
    else:
        shown = model_views.comparison_view(names, told, method)
        options.console().print(shown)
