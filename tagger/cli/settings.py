"""`tagger.toml`: values for options, found in the working folder or above it.

A key is an option without its dashes. At the top of the file it holds for every command
that has the option, in a table named like a command only for that one. The command line
beats the environment, the environment beats the file, the file beats the defaults.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typer import Context
    from typer.core import TyperOption

FILE: Final = "tagger.toml"
VARIABLE: Final = "TAGGER_CONFIG"
"""Names a file to read instead; where it is empty, none is read."""

_PREFIX: Final = "TAGGER_"

RENAMED: Final = {"calibrate": "certify"}
"""Commands by the name they had: their tables and variables are read on."""

_MISSPELT: Final = 0.85
"""How alike two names are, 0..1, of which one is meant for the other: TAGGER_BD is 0.89
like TAGGER_DB, TAGGER_HOME 0.78 like any."""

_NO_SETTINGS: Final = {"help", "version", "install_completion", "show_completion"}

Command = "TyperCommand | TyperGroup"


def find() -> Path | None:
    """Return the file that holds, None where there is none."""
    if VARIABLE in os.environ:
        named = os.environ[VARIABLE]
        return Path(named).absolute() if named else None
    try:
        here = Path.cwd()
    except OSError:  # the folder that we were started in is gone
        return None
    files = (folder / FILE for folder in (here, *here.parents))
    return next((file for file in files if _is_there(file)), None)


def _is_there(file: Path) -> bool:
    """Whether there is a file; where nobody may look, there is none for us."""
    try:
        return file.is_file()
    except OSError:
        return False


def defaults(ctx: "Context") -> dict[str, Any]:
    """Return what the file says, by command and parameter, as Click takes it.

    Raises RequestError for a file that cannot be read, and names unknown keys.
    """
    path = find()
    if path is None:
        return {}
    group = ctx.find_root().command
    return _for_group(_read(path), group, _Place(path))


def misspelt(ctx: "Context") -> list[str]:
    """Say of each variable that no option reads which one it nearly names.

    Other programs may have variables that begin as ours do: they are left alone.
    """
    ours = sorted(name for name in os.environ if name.startswith(_PREFIX))
    if not ours:
        return []
    from tagger.text import nearest

    known = {VARIABLE, *_variables(ctx.find_root().command, _PREFIX[:-1])}
    strange = [name for name in ours if name not in known]
    near = {name: nearest(name, known, alike=_MISSPELT) for name in strange}
    return [
        f"no option reads {name}: did you mean {meant}?"
        for name, meant in near.items()
        if meant
    ]


def rename_variables() -> None:
    """Read the variables of a command that was renamed as those of its new name."""
    for old, new in RENAMED.items():
        before = f"{_PREFIX}{old.upper()}_"
        for name in [name for name in os.environ if name.startswith(before)]:
            now = f"{_PREFIX}{new.upper()}_{name.removeprefix(before)}"
            os.environ.setdefault(now, os.environ[name])


def _variables(command: Any, prefix: str) -> Iterator[str]:  # noqa: ANN401
    """Yield the variables that a command and those below it read."""
    for param in command.params:
        yield from variables_of(param, prefix)
    for word, child in getattr(command, "commands", {}).items():
        below = word.upper().replace("-", "_")
        yield from _variables(child, f"{prefix}_{below}")


def variables_of(param: Any, prefix: str) -> list[str]:  # noqa: ANN401
    """Return the variables that are read for a parameter, the first that is set wins.

    `prefix` is Click's `auto_envvar_prefix` of its command.
    """
    named = param.envvar or f"{prefix}_{param.name.upper()}"
    return [named] if isinstance(named, str) else list(named)


class _Place:
    """Where in the file a value stands, for a message and for relative paths."""

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
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} is no TOML: {error}") from error
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error


def _for_group(
    said: Mapping[str, Any],
    group: Any,  # noqa: ANN401  Click's own classes are Typer's secret
    place: _Place,
    inherited: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Spread the keys of a table over the commands of a group."""
    from tagger.errors import RequestError
    from tagger.text import suggestion

    tables = {name: value for name, value in said.items() if name in group.commands}
    shared = {name: value for name, value in said.items() if name not in tables}
    for old, new in RENAMED.items():
        if old in tables and isinstance(tables.get(new, {}), dict):
            tables[new] = {**tables[old], **tables.get(new, {})}
    known = {name for _, _, name in options_of(group)}
    for name in shared:
        if _key(name) not in known:
            near = suggestion(name, sorted([*known, *group.commands]))
            raise RequestError(f"{place}: unknown key {name!r}{near}")
    shared = {**(inherited or {}), **shared}
    found: dict[str, Any] = _for_command(shared, group, place)
    for name, command in group.commands.items():
        table = tables.get(name, {})
        if not isinstance(table, dict):
            raise RequestError(f"{place}: {name!r} is a command: write [{name}]")
        if hasattr(command, "commands"):
            found[name] = _for_group(table, command, place.inside(name), shared)
            continue
        own = {_key(option) for _, _, option in options_of(command)}
        for key in table:
            if _key(key) not in own:
                near = suggestion(key, sorted(own))
                raise RequestError(f"{place.inside(name)}: unknown key {key!r}{near}")
        found[name] = _for_command({**shared, **table}, command, place.inside(name))
    return found


def _for_command(
    said: Mapping[str, Any],
    command: Any,  # noqa: ANN401
    place: _Place,
) -> dict[str, Any]:
    """Return the values for those options that the command has."""
    by_key = {_key(name): value for name, value in said.items()}
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
        raise RequestError(f"{place}: {name!r} takes one value")
    if option.type_descriptor.is_path:  # relative to the file that says so
        folder = place.path.parent
        values = [str((folder / Path(one).expanduser()).resolve()) for one in values]
    return values if option.multiple else values[0]


def options_of(command: Any) -> "Iterator[tuple[tuple[str, ...], TyperOption, str]]":  # noqa: ANN401
    """Yield every option of a command and those below it: (words, option, key)."""
    for option, name in own_options(command):
        yield (), option, name
    for word, child in getattr(command, "commands", {}).items():
        if child.hidden:
            continue
        for words, option, name in options_of(child):
            yield (word, *words), option, name


def own_options(command: Any) -> "Iterator[tuple[TyperOption, str]]":  # noqa: ANN401
    """Yield the options of one command that a file may set, each with its key."""
    for param in command.params:
        if param.param_type_name == "option" and param.name not in _NO_SETTINGS:
            long = next((o for o in param.opts if o.startswith("--")), param.opts[0])
            yield param, _key(long.lstrip("-"))


def _key(name: str) -> str:
    return name.replace("_", "-")
