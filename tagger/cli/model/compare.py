"""`tagger model compare`: test whether a network is better than another."""

from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.model import arguments


def compare(
    first: arguments.BundleName,
    second: arguments.BundleName,
    data: arguments.DataSets,
    part: arguments.PartName = arguments.PartChoice.TEST,
    precision: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Precision of accepted pictures at which coverage is compared.",
        ),
    ] = 0.95,
    resamples: Annotated[
        int, typer.Option(min=100, max=100_000, help="Number of bootstrap resamples.")
    ] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling.")] = 1,
    as_json: options.AsJson = False,
) -> None:
    """Compare two networks on the same labelled pictures, with confidence intervals.

    Example: tagger model compare three-block shops photos/labelled
    """
    from dataclasses import asdict

    with activity("loading the networks", shown=not as_json):
        from tagger.evaluation import results

        bundles = options.bundle(first), options.bundle(second)
        method = results.Method(precision, resamples, seed)
        comparisons = results.compare_bundles(
            bundles,
            data,
            part=part.value,
            method=method,
            reading=arguments.reading,
            tell=arguments.tell,
        )
    from tagger.cli.views import model_views
    from tagger.text import printable

    names = bundles[0].card.name, bundles[1].card.name
    if names[0] == names[1]:  # the same name twice: show what was typed instead
        names = printable(first), printable(second)
    if as_json:
        compared = [asdict(comparison) for comparison in comparisons]
        options.print_json(
            {"first": names[0], "second": names[1], "part": part}
            | asdict(method)
            | {"compared": compared}
        )
    else:
        shown = model_views.comparison_view(names, comparisons, method)
        options.console().print(shown)
