"""Messages about files that cannot be read."""

LISTED = "'tagger export --state unreadable' lists them"


def how_many(number: int) -> str:
    """Return a number of files in words."""
    return f"{number:,} file{'' if number == 1 else 's'}"
