"""`tagger tags`: the tags of a shop's own."""

import sys
from typing import Annotated

import typer

from tagger.cli import options

tags = typer.Typer(name="tags", help="The shop's own tags.", no_args_is_help=True)

Tag = Annotated[str, typer.Argument(help="The tag, as it is to be shown.")]


@tags.command()
def add(tag: Tag, db: options.Db = None, reviewer: options.Reviewer = None) -> None:
    """Add a tag that reviewers and spreadsheets may give from now on.

    The network learns it with the next 'tagger model adapt', when there are examples.
    Example: tagger tags add Skirt
    """
    from tagger.inventory import Inventory
    from tagger.text import printable

    with Inventory(options.database(db), create=False) as inventory:
        added = inventory.add_tag(tag.strip(), options.reviewer_name(reviewer))
        kinds = [
            one.kind for one in inventory.kinds_in_shop() if one.tag == tag.strip()
        ]
    said = "added" if added else "there already"
    typer.echo(printable(f"{tag.strip()}: {said}"))
    if added and kinds:
        _next(f"the next 'tagger scan' gives it to what shows {_phrases(kinds)}")


@tags.command()
def suggest(db: options.Db = None, as_json: options.AsJsonLines = False) -> None:
    """List what the network finds here that has no tag: skirts, heels, blazers.

    With how many wait, and what people said of such pictures.
    Example: tagger tags suggest --json
    """
    from dataclasses import asdict

    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        found = inventory.kinds_in_shop()
    if as_json:
        for one in found:
            options.print_json(asdict(one))
        return
    from tagger.cli.views import scan_views
    from tagger.labels import tag_for

    options.console().print(scan_views.kind_list(found))
    untagged = [one for one in found if one.tag is None and one.waiting]
    if untagged:
        kind = untagged[0].kind
        _next(
            f"tagger tags add '{tag_for(kind)}' gives it a tag of its own, "
            f"tagger tags map '{kind}' TAG one that there is"
        )


@tags.command("map")
def map_(
    kind: Annotated[
        str, typer.Argument(help="What has no tag, as 'tags suggest' names it.")
    ],
    tag: Annotated[str, typer.Argument(help="The tag that it is to have here.")],
    db: options.Db = None,
    reviewer: options.Reviewer = None,
) -> None:
    """Give a kind of thing without a tag one that there is.

    Example: tagger tags map cardigan Pullover
    """
    from tagger.inventory import Inventory
    from tagger.text import printable

    with Inventory(options.database(db), create=False) as inventory:
        name = options.reviewer_name(reviewer)
        known = inventory.map_kind(kind.strip(), tag.strip(), name)
    typer.echo(printable(f"{known}: tagged {tag.strip()}"))
    _next("the next 'tagger scan' tags by it")


@tags.command()
def unmap(
    kind: Annotated[str, typer.Argument(help="The kind that is to have no tag.")],
    db: options.Db = None,
) -> None:
    """Let a kind of thing have no tag again; what was decided stays.

    Example: tagger tags unmap cardigan
    """
    from tagger.inventory import Inventory
    from tagger.text import printable

    with Inventory(options.database(db), create=False) as inventory:
        known = inventory.unmap_kind(kind.strip())
    typer.echo(printable(f"{known}: without a tag"))
    _next("the next 'tagger scan' asks a person about such pictures")


@tags.command("list")
def list_(db: options.Db = None, as_json: options.AsJsonLines = False) -> None:
    """List the tags that were added, and how many pictures a person gave them.

    Example: tagger tags list --json
    """
    from dataclasses import asdict

    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        found = inventory.own_tags()
    if as_json:
        for one in found:
            options.print_json(asdict(one))
    else:
        from tagger.cli.views import scan_views

        options.console().print(scan_views.tag_list(found))


@tags.command()
def remove(tag: Tag, db: options.Db = None) -> None:
    """Offer a tag no more; what was decided with it stays.

    Example: tagger tags remove Skirt
    """
    from tagger.inventory import Inventory
    from tagger.text import printable

    with Inventory(options.database(db), create=False) as inventory:
        inventory.remove_tag(tag.strip())
    typer.echo(printable(f"{tag.strip()}: offered no more"))


def _next(step: str) -> None:
    """Say what comes next, in a terminal alone."""
    if sys.stdout.isatty():
        typer.secho(f"Next: {step}", dim=True)


def _phrases(kinds: "list[str]") -> str:
    from tagger.labels import phrase

    return ", ".join(map(phrase, kinds))
