"""Messages about files that cannot be read, with the next step."""

LISTED = "'tagger export --state unreadable' lists them"


def how_many(number: int) -> str:
    """Return a number of files in words."""
    return f"{number:,} file{'' if number == 1 else 's'}"


def next_step(number: int) -> str:
    """Say what to do about files that were just found to be unreadable."""
    what = "file cannot" if number == 1 else "files cannot"
    return (
        f"{number:,} {what} be read: repair or delete them, or keep them and run "
        "'tagger ignore FILE'"
    )
