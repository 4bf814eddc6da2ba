"""Name files by a pattern such as `{tag}/{path}`, in a way that every system takes.

A name never leads out of the folder that it is for: what comes from the inventory is
cut into parts, and no part is "..", empty or a device of Windows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final

from tagger.errors import RequestError
from tagger.inventory.product_key import product_key
from tagger.inventory.records import Item
from tagger.text import suggestion

_FIELDS: Final[Mapping[str, Callable[[Item, str], str]]] = {
    "tag": lambda item, _key: item.tag or "",
    "path": lambda item, _key: item.path,
    "folder": lambda item, _key: _folder(item.path),
    "name": lambda item, _key: _name(item.path),
    "stem": lambda item, _key: _split(item.path)[0],
    "ending": lambda item, _key: _split(item.path)[1],
    "root": lambda item, _key: re.split(r"[/\\]", item.root.rstrip("/\\"))[-1],
    "item": lambda _item, key: key,
    "decided_by": lambda item, _key: item.decided_by or "",
    "model": lambda item, _key: item.model or "",
}
"""What a pattern can name, and its value for an item with a product key."""

_WITH_FOLDERS: Final = {"path", "folder"}
_NAMING: Final = {"path", "name", "ending"}
"""Fields with the picture's ending, without which no program opens a file."""

_FORBIDDEN: Final = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
"""Characters that a name cannot have on Windows: learn.microsoft.com/windows/win32/
fileio/naming-a-file."""

_DEVICE: Final = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern: texts, each with the field that follows it, or None."""

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Parse a pattern. Raises RequestError, which says what is wrong in it."""
        try:
            found = list(Formatter().parse(text))
        except ValueError as error:
            raise RequestError(f"--by {text!r} cannot be read: {error}") from error
        for _, name, style, conversion in found:
            if name is not None and (name not in _FIELDS or style or conversion):
                known = ", ".join(f"{{{field}}}" for field in _FIELDS)
                near = suggestion(name, _FIELDS)
                raise RequestError(f"--by has no {{{name}}}{near} (it has {known})")
        pattern = cls(tuple((literal, name) for literal, name, _, _ in found))
        pattern._check(text)
        return pattern

    def _check(self, text: str) -> None:
        literals = "".join(literal for literal, _ in self.parts)
        if text.startswith("/") or ".." in literals.split("/") or "\0" in text:
            raise RequestError(f"--by {text!r} leads out of the folder: leave that out")
        after = text.rpartition("/")[2]
        if not any(f"{{{field}}}" in after for field in _NAMING):
            raise RequestError(
                f"--by {text!r} does not end in a picture's name: add /{{name}}"
            )

    @property
    def needs_item(self) -> bool:
        """Whether it names the product, so that the roots need an item pattern."""
        return any(field == "item" for _, field in self.parts)

    def path_of(self, item: Item, patterns: Mapping[str, re.Pattern[str]]) -> str:
        """Return the path of an item, relative and with slashes.

        `patterns` find the product key under each root. A picture without one is a
        product of its own, named by its stem.
        """
        key = ""
        if self.needs_item and item.root in patterns:
            key = product_key(patterns[item.root], item.path)
        key = key or _split(item.path)[0]
        text = "".join(
            literal + (_value(field, item, key) if field else "")
            for literal, field in self.parts
        )
        parts = [portable(part) for part in text.split("/") if part]
        return "/".join(parts)


def _value(field: str, item: Item, key: str) -> str:
    value = _FIELDS[field](item, key)
    return value if field in _WITH_FOLDERS else value.replace("/", "_")


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _split(path: str) -> tuple[str, str]:
    """Return the stem and the ending of a name; pathlib has none for "."."""
    name = _name(path)
    dot = name.rfind(".")
    return (name[:dot], name[dot:]) if dot > 0 else (name, "")


def portable(part: str) -> str:
    """Return a name of a file or folder that Linux, macOS and Windows take."""
    part = _FORBIDDEN.sub("_", part)
    bare = part.rstrip(" .")
    part = bare + "_" * (len(part) - len(bare))
    return f"_{part}" if _DEVICE.fullmatch(part) else part
