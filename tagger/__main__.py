"""Run the program: `tagger` or `python -m tagger`."""

import os
import sys
from typing import Never

from tagger.errors import EXIT_USAGE, Stopped, TaggerError
from tagger.system.gc_tuning import disable_gc_at_exit, relax_gc
from tagger.system.signals import stop_at_once
from tagger.system.stdio import flush_or_drop, harden
from tagger.text import printable


def main() -> Never:
    """Run the command line; print a failure as one line and exit with its status."""
    relax_gc()
    stop_at_once()
    harden()
    try:
        # Imported here, so that a signal during the imports is handled, too.
        from tagger.cli import app  # noqa: PLC0415

        status = _run(app)
        sys.stdout.flush()
        if status == EXIT_USAGE and (advice := _missing_quotes("error: ")):
            _complain(advice)
    except Stopped as stopped:
        _complain("interrupted: finished work is saved")
        status = stopped.exit_code
    except BrokenPipeError:
        status = 1  # the reader of our output closed it, as head does
    except TaggerError as error:
        _complain(f"error: {error}{_missing_quotes(': ')}", error)
        status = error.exit_code
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _complain(f"error: {name}{error.strerror or error}", error)
        status = 1
    except Exception as error:  # noqa: BLE001  no traceback ever reaches a user
        _complain(
            f"error: internal error: {type(error).__name__}: {error} "
            "(please report it with the output of 'tagger --debug …')",
            error,
        )
        status = 1
    _exit(status)


def _run(app: object) -> int:
    """Run the application and return the status it ends with."""
    try:
        app()  # type: ignore[operator]
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _complain(message: str, error: Exception | None = None) -> None:
    if error is not None and os.environ.get("TAGGER_DEBUG"):
        import traceback  # noqa: PLC0415  only with --debug

        traceback.print_exception(error)
    sys.stderr.write(printable(message) + "\n")


def _missing_quotes(before: str = "") -> str:
    """Name the path that was typed without quotes, if that explains a failure."""
    from tagger.cli.quoting import advice  # noqa: PLC0415  after a failure only

    advised = advice(sys.argv[1:])
    return before + advised if advised else ""


def _exit(status: int) -> Never:
    """End the process; an output that cannot be flushed was reported before."""
    flush_or_drop(sys.stdout)
    disable_gc_at_exit()
    sys.exit(status)


if __name__ == "__main__":
    main()
