"""Read default values of options from a `tagger.toml`.

The file is in the working folder or above it. A key is an option without its dashes. At
the top of the file it applies to every command that has the option, in a table named
after a command only to that one. Precedence: command line, environment, file, default.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typer import Context
    from typer.core import TyperOption


FILE: Final = "tagger.toml"
VARIABLE: Final = "TAGGER_CONFIG"
"""Names another file to read; if it is empty, no file is read."""

_PREFIX: Final = "TAGGER_"

RENAMED: Final = {"calibrate": "certify"}
"""New names by old names of commands, whose tables and variables are still read."""

_MISSPELT: Final = 0.85
"""Least similarity, 0..1, of a misspelt name: TAGGER_BD is 0.89 like TAGGER_DB,
TAGGER_HOME is at most 0.78 like any."""

TABLES: Final = frozenset({"shop-categories", "shop-types"})
"""Tables of texts by text at the top of the file, which are no options."""

_NO_SETTINGS: Final = {"help", "version", "install_completion", "show_completion"}

Command = "TyperCommand | TyperGroup"


def find() -> Path | None:
    """Return the settings file in force, or None."""
    if VARIABLE in os.environ:
        named = os.environ[VARIABLE]
        return Path(named).absolute() if named else None
    try:
        here = Path.cwd()
    except OSError:  # the working folder was deleted
        return None
    files = (folder / FILE for folder in (here, *here.parents))
    return next((file for file in files if _is_there(file)), None)


def _is_there(file: Path) -> bool:
    """Whether the file exists; False if its folder cannot be read."""
    try:
        return file.is_file()
    except OSError:
        return False


def defaults(ctx: "Context") -> dict[str, Any]:
    """Return the values of the file by command and parameter, as Click's default map.

    Raises RequestError for a file that cannot be read, or that has unknown keys.
    """
    path = find()
    if path is None:
        return {}
    group = ctx.find_root().command
    options = {key: value for key, value in _read(path).items() if key not in TABLES}
    return _for_group(options, group, _Place(path))


def table(name: str) -> dict[str, str]:
    """Return one of `TABLES` from the settings file; empty if it is not there.

    Raises RequestError for a file that cannot be read, or another value than a text.
    """
    from tagger.errors import RequestError

    path = find()
    found = _read(path).get(name, {}) if path else {}
    if not isinstance(found, dict):
        raise RequestError(
            f"{path}: {name!r} is a table: write its lines under [{name}]"
        )
    for key, value in found.items():
        if not isinstance(value, str) or not value.strip():
            raise RequestError(
                f"{_Place(path or Path(), name)}: {key!r} needs a text in quotes"
            )
    return found


def misspelt(ctx: "Context") -> list[str]:
    """Return a warning for each environment variable whose name seems misspelt.

    Other TAGGER_ variables may belong to other programs, and are ignored.
    """
    ours = sorted(name for name in os.environ if name.startswith(_PREFIX))
    if not ours:
        return []
    from tagger.text import nearest

    known = {VARIABLE, *_variables(ctx.find_root().command, _PREFIX[:-1])}
    unknown = [name for name in ours if name not in known]
    near = {name: nearest(name, known, alike=_MISSPELT) for name in unknown}
    return [
        f"no option reads {name}: did you mean {meant}?"
        for name, meant in near.items()
        if meant
    ]


def rename_variables() -> None:
    """Copy the variables of renamed commands to their new names, if those are unset."""
    for old, new in RENAMED.items():
        before = f"{_PREFIX}{old.upper()}_"
        for name in [name for name in os.environ if name.startswith(before)]:
            now = f"{_PREFIX}{new.upper()}_{name.removeprefix(before)}"
            os.environ.setdefault(now, os.environ[name])


def _variables(command: Any, prefix: str) -> Iterator[str]:  # noqa: ANN401
    """Yield the variables that a command and its subcommands read."""
    for param in command.params:
        yield from variables_of(param, prefix)
    for word, child in getattr(command, "commands", {}).items():
        below = word.upper().replace("-", "_")
        yield from _variables(child, f"{prefix}_{below}")


def variables_of(param: Any, prefix: str) -> list[str]:  # noqa: ANN401
    """Return the variables of a parameter; the first that is set wins.

    `prefix` is Click's `auto_envvar_prefix` of its command.
    """
    named = param.envvar or f"{prefix}_{param.name.upper()}"
    return [named] if isinstance(named, str) else list(named)


class _Place:
    """Position in the file, for messages and to resolve relative paths."""

    def __init__(self, path: Path, *tables: str) -> None:
        self.path = path
        self.tables = tables

    def inside(self, table: str) -> "_Place":
        return _Place(self.path, *self.tables, table)

    def __str__(self) -> str:
        where = f" [{'.'.join(self.tables)}]" if self.tables else ""
        return f"{self.path}{where}"


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    from tagger.errors import RequestError

    try:
        # Notepad begins a file with a byte order mark, which "-sig" skips.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # bytes, syntax or huge numbers
        raise RequestError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error


def _for_group(
    content: Mapping[str, Any],
    group: Any,  # noqa: ANN401  Typer does not export Click's classes
    place: _Place,
    inherited: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the values for each command of a group; shared keys go to all."""
    from tagger.errors import RequestError
    from tagger.text import suggestion

    tables = {name: value for name, value in content.items() if name in group.commands}
    shared = {name: value for name, value in content.items() if name not in tables}
    # Keys under the new name of a command win over those under its old one.
    for old, new in RENAMED.items():
        pair = [tables.get(name, {}) for name in (old, new)]
        if old in tables and all(isinstance(one, dict) for one in pair):
            tables[new] = {**tables[old], **tables.get(new, {})}
    known = {name for _, _, name in options_of(group)}
    for name in shared:
        if _key(name) not in known:
            near = suggestion(name, sorted([*known, *group.commands, *TABLES]))
            raise RequestError(f"{place}: unknown key {name!r}{near}")
    # Inherited keys are checked where they stand; here they may fit no command.
    shared = {**(inherited or {}), **shared}
    values: dict[str, Any] = _for_command(shared, group, place)
    for name, command in group.commands.items():
        table = tables.get(name, {})
        if not isinstance(table, dict):
            raise RequestError(
                f"{place}: {name!r} is a command: write its options under [{name}]"
            )
        if hasattr(command, "commands"):
            values[name] = _for_group(table, command, place.inside(name), shared)
            continue
        own = {_key(option) for _, _, option in options_of(command)}
        for key in table:
            if _key(key) not in own:
                near = suggestion(key, sorted(own))
                raise RequestError(f"{place.inside(name)}: unknown key {key!r}{near}")
        values[name] = _for_command({**shared, **table}, command, place.inside(name))
    return values


def _for_command(
    content: Mapping[str, Any],
    command: Any,  # noqa: ANN401
    place: _Place,
) -> dict[str, Any]:
    """Return the values for the options that the command has."""
    by_key = {_key(name): value for name, value in content.items()}
    return {
        option.name: _value(by_key[name], option, name, place)
        for option, name in own_options(command)
        if name in by_key
    }


def _value(value: Any, option: "TyperOption", name: str, place: _Place) -> Any:  # noqa: ANN401
    from tagger.errors import RequestError

    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, (dict, list)) for one in values) or (
        isinstance(value, list) and not option.multiple
    ):
        raise RequestError(f"{place}: {name!r} takes one value, not a list or table")
    if option.name == "db":
        _check_spelling(values, place)
    if option.type_descriptor.annotation is Path or option.name == "db":
        values = [_relative_to(place.path.parent, str(one)) for one in values]
    return values if option.multiple else values[0]


def _check_spelling(values: Iterable[Any], place: _Place) -> None:
    """Raise RequestError for a misspelt URL, before it is taken for a file's name."""
    from tagger.errors import RequestError
    from tagger.system import database_url

    try:
        for value in values:
            database_url.place(str(value))
    except RequestError as error:
        raise RequestError(f"{place}: {error}") from error


def _relative_to(folder: Path, text: str) -> str:
    """Return a path absolute, seen from the folder of the file; a URL as it is."""
    from tagger.storage import is_url

    if is_url(text):
        return text
    return str((folder / Path(text).expanduser()).resolve())


def options_of(command: Any) -> "Iterator[tuple[tuple[str, ...], TyperOption, str]]":  # noqa: ANN401
    """Yield (words, option, key) of every option of a command and its subcommands."""
    for option, name in own_options(command):
        yield (), option, name
    for word, child in getattr(command, "commands", {}).items():
        if child.hidden:
            continue
        for words, option, name in options_of(child):
            yield (word, *words), option, name


def own_options(command: Any) -> "Iterator[tuple[TyperOption, str]]":  # noqa: ANN401
    """Yield (option, key) of the options of one command that a file may set."""
    for param in command.params:
        if param.param_type_name == "option" and param.name not in _NO_SETTINGS:
            long = next((o for o in param.opts if o.startswith("--")), param.opts[0])
            yield param, _key(long.lstrip("-"))


def _key(name: str) -> str:
    return name.replace("_", "-")
