"""The program: `tagger`, or `python -m tagger`."""

import os
import sys
from typing import Never

from tagger.errors import Stopped, TaggerError
from tagger.system.gc_tuning import disable_gc_at_exit, relax_gc
from tagger.system.signals import stop_at_once
from tagger.system.stdio import flush_or_drop, harden
from tagger.text import printable


def main() -> Never:
    """Run the command line; a failure is one line on standard error and a status."""
    relax_gc()
    stop_at_once()
    harden()
    try:
        # Only now: a signal that comes during the imports is answered like any other.
        from tagger.cli import app  # noqa: PLC0415

        status = _run(app)
        sys.stdout.flush()
    except Stopped as stopped:
        _complain("interrupted: what was finished is saved")
        status = stopped.exit_code
    except BrokenPipeError:
        status = 1  # whoever read our output has seen enough
    except TaggerError as error:
        _complain(f"error: {error}", error)
        status = error.exit_code
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        _complain(f"error: {what}{error.strerror or error}", error)
        status = 1
    except Exception as error:  # noqa: BLE001  no traceback ever reaches a user
        _complain(
            f"error: tagger has a fault: {type(error).__name__}: {error} "
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
        import traceback  # noqa: PLC0415  only for those who ask

        traceback.print_exception(error)
    sys.stderr.write(printable(message) + "\n")


def _exit(status: int) -> Never:
    """End the process; what cannot be flushed any more has been told already."""
    flush_or_drop(sys.stdout)
    disable_gc_at_exit()
    sys.exit(status)


if __name__ == "__main__":
    main()
