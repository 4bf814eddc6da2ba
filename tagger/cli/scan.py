"""`tagger scan`: bring the inventory up to date with folders."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.quoting import unquoted
from tagger.cli.scan_log import LogFormat, ScanReporter, scan_reporter
from tagger.engine.interface import EngineChoice, EngineName
from tagger.records import Runtime
from tagger.scan.exclude import DEFAULT_EXCLUDE
from tagger.system.database_url import Place

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tagger.inventory import Holder, Inventory


def scan(
    ctx: typer.Context,
    folders: Annotated[
        list[Path],
        typer.Argument(
            parser=options.folder,
            metavar="folders",
            help="Folders to scan, with all subfolders: paths, or URLs such as "
            "s3://bucket/folder.",
        ),
    ],
    db: options.Db = None,
    model: options.ModelName = None,
    threshold: options.Threshold = None,
    batch_size: Annotated[
        int,
        typer.Option(min=1, max=4096, help="Pictures to read and record at a time."),
    ] = 64,
    include: Annotated[
        list[str] | None,
        typer.Option(
            help="Read only files that match this pattern (e.g. '*.jpg'); may be "
            "repeated."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help="Skip files and folders that match this pattern (e.g. 'thumbs', or "
            "'old/*' below a scanned folder); may be repeated."
        ),
    ] = None,
    default_exclude: Annotated[
        list[str],
        typer.Option(
            "--default-exclude",
            help="Skip folders of this name, in place of the built-in list of bins, "
            "thumbnails and snapshots; may be repeated, '' skips none.",
            show_default="@eaDir, #recycle and others: tagger config show",
        ),
    ] = list(DEFAULT_EXCLUDE),  # noqa: B006  Typer copies it
    resized: Annotated[
        bool,
        typer.Option(
            "--resized",
            help="Also read resized copies, such as name-150x150.jpg beside name.jpg.",
        ),
    ] = False,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Read unreadable files again."),
    ] = False,
    follow_links: Annotated[
        bool,
        typer.Option(
            "--follow-links", help="Also follow links that lead out of the folders."
        ),
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            parser=options.duration,
            metavar="DURATION",
            envvar="TAGGER_SETTLE",
            help="Skip files changed within this time: they may still be copied.",
        ),
    ] = "2s",  # type: ignore[assignment]  # Typer parses the default too
    max_missing: Annotated[
        float,
        typer.Option(
            parser=options.share,
            metavar="SHARE",
            help="Largest share of a folder's pictures that may vanish in one scan; if "
            "more are gone, warn and mark none as missing.",
        ),
    ] = "20%",  # type: ignore[assignment]
    wait_lock: Annotated[
        float,
        typer.Option(
            parser=options.duration,
            metavar="DURATION",
            help="Wait up to this long (e.g. 10m) for another scan to end.",
        ),
    ] = "0s",  # type: ignore[assignment]
    own_mix: Annotated[
        bool,
        typer.Option(
            "--own-mix/--no-own-mix",
            help="Adjust predictions to how common each tag is in each folder.",
        ),
    ] = True,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what a scan would do; write nothing."),
    ] = False,
    runtime: options.RuntimeName = Runtime.LITERT,
    engine: Annotated[
        EngineName,
        typer.Option(help="Where to read pictures: this machine, or a Ray cluster."),
    ] = EngineName.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="HOST:PORT of the Ray cluster; auto for the one that this machine "
            "belongs to. Only with --engine ray.",
            show_default="a cluster on this machine for the time of the scan",
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print nothing unless there is a problem."),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Also show the numbers behind the sentences."
        ),
    ] = False,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            help="Log events line by line, as text or as JSON objects.",
            show_default="text if the output is not a terminal",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tag the pictures in folders; read only files that are new or changed.

    Example: tagger scan /srv/photos --exclude thumbs
    """
    reporter = scan_reporter(
        log_format, as_json=as_json, quiet=quiet, dry_run=dry_run, verbose=verbose
    )
    while ctx.obj:
        reporter.warn(ctx.obj.pop(0))
    with (
        _failures_told(reporter),
        reporter.watch_libraries(),
        reporter.working(),
    ):
        from tagger.api import Network, scan_with
        from tagger.bundles.adapted import bundle_in_force
        from tagger.scan.plan import check_folders
        from tagger.scan.records import ScanOptions
        from tagger.scan.run import exit_code
        from tagger.system.signals import deferred_signals

        database = options.database(db)
        # Check the request first, so that a mistake leaves no empty inventory.
        if not database.exists() or unquoted(list(map(str, folders))):
            check_folders(folders)
            options.bundle(model)
        where = EngineChoice(engine, ray_address, verbose)
        if engine is EngineName.LOCAL and options.typed(ctx, "ray_address"):
            from tagger.errors import RequestError

            raise RequestError("--ray-address works only with --engine ray: add it")
        if engine is EngineName.RAY:
            from tagger.engine.ray import check_ray

            check_ray(where)
        with (
            _lock(database, folders, wait_lock, scratch=dry_run) as dead,
            deferred_signals() as interruption,
            _inventory(database, scratch=dry_run) as inventory,
        ):
            bundle = bundle_in_force(database, inventory.adaptations(), model)
            reporter.begin(folders, database, dead)
            summary = scan_with(
                Network(bundle, runtime),
                folders,
                inventory,
                threshold=threshold,
                own_mix=own_mix,
                options=ScanOptions(
                    batch_size=batch_size,
                    include=tuple(include or ()),
                    exclude=tuple(exclude or ()),
                    default_exclude=tuple(default_exclude),
                    resized=resized,
                    retry_errors=retry_errors,
                    follow_links=follow_links,
                    settle=settle,
                    max_missing=max_missing,
                ),
                track=reporter.track,
                interruption=interruption,
                engine=where,
            )
    code = exit_code(summary)
    reporter.end(summary, code)
    raise typer.Exit(code)


@contextmanager
def _failures_told(reporter: ScanReporter) -> Iterator[None]:
    """Report an error that ends the scan early; JSON lines replace the error line."""
    from tagger.errors import EXIT_FAILED, Stopped, TaggerError

    try:
        yield
    except (Stopped, Exception) as error:
        code, message = EXIT_FAILED, str(error)
        if isinstance(error, Stopped):
            code, message = error.exit_code, "interrupted: finished work is saved"
        elif isinstance(error, TaggerError):
            code = error.exit_code
        reporter.fail(message, code)
        if reporter.complains:
            raise typer.Exit(code) from error
        raise


def _lock(
    place: Place, folders: list[Path], wait: float, *, scratch: bool
) -> "AbstractContextManager[Holder | None]":
    from tagger.inventory import scan_lock

    return nullcontext() if scratch else scan_lock(place, folders, wait=wait)


def _inventory(place: Place, *, scratch: bool) -> "AbstractContextManager[Inventory]":
    from tagger.inventory import Inventory

    return Inventory.scratch_copy(place) if scratch else Inventory(place)
