"""`tagger scan`: bring the inventory up to date with folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.records import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from tagger.inventory import Inventory
    from tagger.records import ImageFile


def scan(
    folders: Annotated[
        list[Path],
        typer.Argument(
            readable=False, help="Folders of pictures, searched to the bottom."
        ),
    ],
    db: options.Db = None,
    model: options.ModelName = None,
    threshold: options.Threshold = None,
    batch_size: Annotated[
        int,
        typer.Option(min=1, max=4096, help="Images read and recorded at a time."),
    ] = 64,
    include: Annotated[
        list[str] | None,
        typer.Option(help="Read only what matches (e.g. '*.jpg'); may be repeated."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave out what matches (e.g. 'thumbs'); may be repeated."),
    ] = None,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Try unreadable files again."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but write.")
    ] = False,
    runtime: options.RuntimeName = Runtime.LITERT,
    as_json: options.AsJson = False,
) -> None:
    """Tag the pictures in folders; what has not changed is not read again.

    Example: tagger scan /srv/photos --exclude thumbs
    """
    from dataclasses import asdict, replace
    from functools import partial

    from tagger import scan as scanning
    from tagger.classifier import BundleClassifier
    from tagger.discover import check_root
    from tagger.interrupt import postponed

    # All that can be wrong is found out before an inventory is made.
    roots = [check_root(folder) for folder in folders]
    bundle = options.bundle(model)
    policy = bundle.card.policy
    if threshold is not None:
        policy = replace(policy, threshold=threshold, tags={})
    with (
        postponed() as check_signals,
        _inventory(options.database(db), scratch=dry_run) as inventory,
    ):
        summary = scanning.scan(
            roots,
            inventory,
            BundleClassifier(bundle, runtime),
            policy,
            options=scanning.ScanOptions(
                batch_size=batch_size,
                include=tuple(include or ()),
                exclude=tuple(exclude or ()),
                retry_errors=retry_errors,
            ),
            track=partial(_progress, check_signals),
        )
    for warning in summary.warnings:
        options.warn(warning)
    code = scanning.exit_code(summary)
    told: dict[str, object] = {"dry_run": dry_run, "exit_code": code}
    if dry_run:
        told["run_id"] = None  # the run is gone with the copy it was recorded in
    if as_json:
        options.print_json(asdict(summary) | told)
    else:
        from tagger import display

        options.console().print(display.run_summary(summary, dry_run=dry_run))
    raise typer.Exit(code)


def _inventory(path: Path, *, scratch: bool) -> "AbstractContextManager[Inventory]":
    from tagger.inventory import Inventory

    return Inventory.scratch_copy(path) if scratch else Inventory(path)


def _progress(
    check_signals: "Callable[[], None]", files: "Iterable[ImageFile]", total: int
) -> "Iterator[ImageFile]":
    """Show a bar on a terminal, and nothing where nobody looks; stop between files."""
    from tqdm import tqdm

    for file in tqdm(files, total=total, unit="image", disable=None, leave=False):
        check_signals()
        yield file
