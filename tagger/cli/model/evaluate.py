"""`tagger model evaluate`: how right a network is, and how well it knows."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.model import choices


def evaluate(
    bundle: choices.BundleName,
    data: choices.DataSets,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", readable=False, help="Folder for page and metrics.json."
        ),
    ],
    part: choices.PartName = choices.PartChoice.TEST,
    as_json: options.AsJson = False,
) -> None:
    """Measure a network on labelled pictures; write a page, charts and metrics.json.

    Example: tagger model evaluate shops photos/labelled -o evaluation
    """
    from tagger import bundle_display
    from tagger.evaluation import pages, results

    found = options.bundle(bundle)
    pages.check_target(output)
    evaluation = results.evaluate(
        found, data, part.value, choices.reading, choices.tell
    )
    pages.write_evaluation(evaluation, output)
    if as_json:
        options.print_json(results.as_json(evaluation))
    else:
        options.console().print(bundle_display.evaluation_view(evaluation))
        typer.echo(f"wrote {output / pages.PAGE_FILE} and {pages.METRICS_FILE}")
