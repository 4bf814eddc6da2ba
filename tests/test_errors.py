"""Tests of the tree of exceptions that `tagger.errors` draws."""

import inspect
import re

from tagger import errors


def test_the_drawn_tree_of_exceptions_is_complete() -> None:
    assert errors.__doc__
    drawn: dict[str, str] = {}
    path: list[str] = []
    for indent, name in re.findall(r"(?m)^    ( *(?:\+ )?)([A-Z]\w+)", errors.__doc__):
        path[len(indent) // 4 :] = [name]
        drawn[name] = path[-2] if len(path) > 1 else ""
    classes = [
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if one.__module__ == errors.__name__
    ]
    bases = {one.__name__: one.__base__ for one in classes}
    assert drawn == {
        name: base.__name__ if base in classes else "" for name, base in bases.items()
    }
