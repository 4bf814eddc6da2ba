"""`tagger model evaluate`: measure accuracy, coverage and calibration."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.model import arguments
from tagger.cli.next_step import show_page


def evaluate(
    bundle: arguments.BundleName,
    data: arguments.DataSets,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            help="Folder for the page and metrics.json.",
        ),
    ],
    part: arguments.PartName = arguments.PartChoice.TEST,
    as_json: options.AsJson = False,
) -> None:
    """Measure a network on labelled pictures; write a page, charts and metrics.json.

    Example: tagger model evaluate shops photos/labelled -o evaluation
    """
    with activity("loading the network", shown=not as_json) as doing:
        from tagger.evaluation import pages, results

        found = options.bundle(bundle)
        pages.check_target(output)
        evaluation = results.evaluate(
            found, data, part.value, arguments.reading, arguments.tell
        )
        doing.now("drawing the page")
        pages.write_evaluation(evaluation, output)
    from tagger.cli.views import model_views

    if as_json:
        options.print_json(results.as_json(evaluation))
    else:
        options.console().print(model_views.evaluation_view(evaluation))
        typer.echo(f"wrote {output / pages.PAGE_FILE} and {pages.METRICS_FILE}")
        show_page(output / pages.PAGE_FILE)
