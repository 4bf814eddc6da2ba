"""Folders and files on a local disk or in a store that fsspec reaches.

`location` makes a location of a text: of a path a `pathlib.Path`, of a URL a
`RemotePath`, which has the same methods for reading. All code that opens pictures takes
either. `listing.lister` lists folders of both, `reading.read_ahead` reads many files of
a store. fsspec is imported when a `RemotePath` is first read.
"""

from tagger.storage.location import (
    Content,
    Location,
    RemotePath,
    Wanted,
    is_listed,
    is_url,
    is_within,
    location,
    typed_location,
)

__all__ = [
    "Content",
    "Location",
    "RemotePath",
    "Wanted",
    "is_listed",
    "is_url",
    "is_within",
    "location",
    "typed_location",
]
