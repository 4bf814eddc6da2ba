"""`tagger man`: write manual pages from the help of the commands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tagger.version import __version__


def man(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="Command, e.g. 'runs show'.", show_default="tagger"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", readable=False, help="Write all pages to this folder."
        ),
    ] = None,
) -> None:
    """Print the manual page of a command, or write all pages to a folder.

    Example: tagger man -o ~/.local/share/man/man1
    """
    from tagger.system.atomic import atomic_write

    pages = dict(_pages(ctx.find_root()))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for name, page in pages.items():
            with atomic_write(output / f"{name}.1") as stream:
                stream.write(page.encode())
        return
    from tagger.errors import RequestError
    from tagger.text import suggestion

    name = "-".join(["tagger", *(command or ())])
    if name not in pages:
        words = [known.replace("-", " ") for known in pages]
        asked = " ".join(["tagger", *(command or ())])
        raise RequestError(f"unknown command {asked!r}{suggestion(asked, words)}")
    typer.echo(pages[name], nl=False)


def _pages(root: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  no public type
    yield from _of(root.command, root, ["tagger"])


def _of(command: Any, ctx: Any, words: list[str]) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    name = "-".join(words)
    commands = getattr(command, "commands", {})
    children = {word: one for word, one in commands.items() if not one.hidden}
    yield name, "\n".join(_page(command, ctx, words, list(children))) + "\n"
    for word, child in children.items():
        below = child.make_context(word, [], parent=ctx, resilient_parsing=True)
        yield from _of(child, below, [*words, word])


def _page(
    command: Any,  # noqa: ANN401
    ctx: Any,  # noqa: ANN401
    words: list[str],
    children: list[str],
) -> Iterator[str]:
    name, spoken = "-".join(words), " ".join(words)
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
    summary, _, example = " ".join(paragraphs).partition("Example: ")
    yield f'.TH "{name.upper()}" "1" "" "tagger {__version__}" "tagger"'
    yield ".SH NAME"
    yield f"{_roff(name)} \\- {_roff(summary.partition('. ')[0].strip().rstrip('.'))}"
    yield ".SH SYNOPSIS"
    usage = " ".join(command.collect_usage_pieces(ctx))
    yield f".B {_roff(spoken)}\n{_roff(usage)}"
    yield ".SH DESCRIPTION"
    yield _roff(summary.strip())
    for title, kind in (("ARGUMENTS", "argument"), ("OPTIONS", "option")):
        params = [p for p in command.get_params(ctx) if p.param_type_name == kind]
        if records := [_record(param, ctx) for param in params]:
            yield f".SH {title}"
            for names, text in records:
                yield f".TP\n.B {_roff(names)}\n{_roff(text)}"
    if children:
        yield ".SH COMMANDS"
        yield _roff(", ".join(f"{name}-{child}(1)" for child in children))
    if example:
        yield f".SH EXAMPLE\n.nf\n{_roff(example.strip())}\n.fi"
    if command.epilog:
        title, _, text = command.epilog.partition(": ")
        yield f".SH {title.upper()}\n{_roff(text)}"
    if len(words) > 1:
        yield f".SH SEE ALSO\n{_roff('-'.join(words[:-1]))}(1)"


def _record(param: Any, ctx: Any) -> tuple[str, str]:  # noqa: ANN401
    if param.param_type_name == "argument":
        return " ".join(param.get_usage_pieces(ctx)), param.help or ""
    names, text = param.get_help_record(ctx)
    return names, " ".join(text.split())


def _roff(text: str) -> str:
    r"""Escape roff commands and characters that are not ASCII."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    plain = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped)
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain
