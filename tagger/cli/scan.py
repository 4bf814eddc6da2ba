"""`tagger scan`: bring the inventory up to date with folders."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.scan_log import LogFormat, ScanReporter, scan_reporter
from tagger.records import Runtime

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tagger.inventory import Holder, Inventory


def scan(
    folders: Annotated[
        list[Path],
        typer.Argument(
            parser=options.folder,
            metavar="folders",
            help="Folders of pictures, searched to the bottom.",
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
        typer.Option(
            help="Leave out what matches (e.g. 'thumbs', or 'old/*' under the folder); "
            "may be repeated."
        ),
    ] = None,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Try unreadable files again."),
    ] = False,
    follow_links: Annotated[
        bool,
        typer.Option("--follow-links", help="Follow links out of the folders, too."),
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            parser=options.duration,
            metavar="DURATION",
            envvar="TAGGER_SETTLE",
            help="Leave files changed so shortly ago, they may still be growing.",
        ),
    ] = "2s",  # type: ignore[assignment]  # Typer parses the default too
    max_missing: Annotated[
        float,
        typer.Option(
            parser=options.share,
            metavar="SHARE",
            help="Most of a folder's pictures that may go missing in one scan.",
        ),
    ] = "20%",  # type: ignore[assignment]
    wait_lock: Annotated[
        float,
        typer.Option(
            parser=options.duration,
            metavar="DURATION",
            help="Wait so long (e.g. 10m) for another scan to end.",
        ),
    ] = "0s",  # type: ignore[assignment]
    own_mix: Annotated[
        bool,
        typer.Option(
            "--own-mix/--no-own-mix",
            help="Weigh tags by how often each is right in these folders.",
        ),
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but write.")
    ] = False,
    runtime: options.RuntimeName = Runtime.LITERT,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only where there is trouble.")
    ] = False,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            help="Print what happens line by line, as text or as JSON objects.",
            show_default="text where there is no terminal",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tag the pictures in folders; what has not changed is not read again.

    Example: tagger scan /srv/photos --exclude thumbs
    """
    from tagger.bundles.adapted import bundle_in_force
    from tagger.bundles.classifier import BundleClassifier
    from tagger.imaging.pool import Workers
    from tagger.labels import tags_of
    from tagger.policy.effective import effective_policy
    from tagger.scan import run as scanning
    from tagger.scan.plan import check_folders
    from tagger.scan.records import OwnMix, ScanOptions
    from tagger.system.signals import deferred_signals

    reporter = scan_reporter(log_format, as_json=as_json, quiet=quiet, dry_run=dry_run)
    database = options.database(db)
    with _failures_told(reporter):
        # All that can be wrong is found out before an inventory is made.
        if not database.exists():
            check_folders(folders)
            options.bundle(model)
        with (
            _lock(database, wait_lock, scratch=dry_run) as dead,
            deferred_signals() as interruption,
            _inventory(database, scratch=dry_run) as inventory,
        ):
            bundle = bundle_in_force(database, inventory.adaptations(), model)
            card = bundle.card
            certificate = inventory.certificate(card.digest)
            effective = effective_policy(
                card.policy,
                card.tags,
                reference=bundle.familiar_file,
                certificate=certificate,
                threshold=threshold,
                added=tags_of(inventory.labels_here(card.labels)),
            )
            reporter.begin(folders, database, dead)
            classifier = BundleClassifier(bundle, runtime)
            with Workers(meanwhile=classifier.load) as workers:
                summary = scanning.scan(
                    folders,
                    inventory,
                    classifier,
                    effective.policy,
                    options=ScanOptions(
                        batch_size=batch_size,
                        include=tuple(include or ()),
                        exclude=tuple(exclude or ()),
                        retry_errors=retry_errors,
                        follow_links=follow_links,
                        settle=settle,
                        max_missing=max_missing,
                    ),
                    track=reporter.track,
                    interruption=interruption,
                    prepare_all=workers.prepare,
                    guard=effective.guard,
                    own_mix=OwnMix(
                        card.prior if own_mix else (),
                        frozen=effective.certified,
                    ),
                )
    code = scanning.exit_code(summary)
    reporter.end(summary, code)
    raise typer.Exit(code)


@contextmanager
def _failures_told(reporter: ScanReporter) -> Iterator[None]:
    """Have the journal tell what ends a scan before its end."""
    from tagger.errors import EXIT_FAILED, Stopped, TaggerError

    try:
        yield
    except (Stopped, Exception) as error:
        code, message = EXIT_FAILED, str(error)
        if isinstance(error, Stopped):
            code, message = error.exit_code, "interrupted: what was finished is saved"
        elif isinstance(error, TaggerError):
            code = error.exit_code
        reporter.fail(message, code)
        if reporter.complains:
            raise typer.Exit(code) from error
        raise


def _lock(
    path: Path, wait: float, *, scratch: bool
) -> "AbstractContextManager[Holder | None]":
    from tagger.inventory import scan_lock

    return nullcontext() if scratch else scan_lock(path, wait=wait)


def _inventory(path: Path, *, scratch: bool) -> "AbstractContextManager[Inventory]":
    from tagger.inventory import Inventory

    return Inventory.scratch_copy(path) if scratch else Inventory(path)
