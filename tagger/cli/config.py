"""`tagger config`: show the settings in force and their sources."""

from typing import TYPE_CHECKING, Any

import typer

from tagger.cli import options, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

config = typer.Typer(
    name="config", help="Show the settings in force.", no_args_is_help=True
)


_WORDS = {
    "COMMANDLINE": "command line",
    "ENVIRONMENT": "environment",
    "DEFAULT_MAP": "file",
    "DEFAULT": "default",
}


@config.callback()
def _group() -> None:
    """Keep `show` a subcommand although it is the only one."""


@config.command()
def show(ctx: typer.Context, as_json: options.AsJson = False) -> None:
    """Show the value of every option and its source.

    The source is the default, a tagger.toml or an environment variable.

    Example: tagger config show --json
    """
    from tagger.cli.views import scan_views

    file = settings.find()
    in_force = list(_in_force(ctx.find_root()))
    if as_json:
        rows = [
            dict(zip(("key", "value", "from"), row, strict=True)) for row in in_force
        ]
        options.print_json({"file": file, "settings": rows})
    else:
        options.console().print(
            scan_views.settings(str(file) if file else None, in_force)
        )


def _in_force(
    root: Any,  # noqa: ANN401  Typer does not export Click's classes
) -> "Iterator[tuple[str, Any, str]]":
    """Yield (key, value, source) of every option, as without a command line."""
    yield from _of(root.command, root, ())


def _of(
    command: Any,  # noqa: ANN401
    ctx: Any,  # noqa: ANN401
    words: tuple[str, ...],
) -> "Iterator[tuple[str, Any, str]]":
    for option, key in settings.own_options(command):
        value = ctx.params.get(option.name)
        source = ctx.get_parameter_source(option.name)
        where = _WORDS.get(source.name, "") if source else ""
        if where == "environment":
            where = settings.variables_of(option, ctx.auto_envvar_prefix)[0]
        if isinstance(value, (list, tuple)):
            value = ", ".join(map(str, value))
        if value is None and isinstance(option.show_default, str):
            value = f"({option.show_default})"
        yield ".".join((*words, key)), value, where
    for word, child in getattr(command, "commands", {}).items():
        below = child.make_context(word, [], parent=ctx, resilient_parsing=True)
        yield from _of(child, below, (*words, word))
