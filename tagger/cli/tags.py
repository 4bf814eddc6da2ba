"""`tagger tags`: manage custom tags and the tags of kinds."""

from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.next_step import SCAN_AGAIN, Step, show_next

tags = typer.Typer(name="tags", help="Manage custom tags.", no_args_is_help=True)

Tag = Annotated[str, typer.Argument(help="Name of the tag.")]


@tags.command()
def add(tag: Tag, db: options.Db = None, reviewer: options.Reviewer = None) -> None:
    """Add a custom tag, which reviewers and spreadsheets may then give.

    The network learns it in the next 'tagger model adapt' that has enough examples.
    Example: tagger tags add Skirt
    """
    from tagger.inventory import Inventory
    from tagger.text import printable

    with Inventory(options.database(db), create=False) as inventory:
        added = inventory.add_tag(tag.strip(), options.reviewer_name(reviewer))
        kinds = [
            kind.kind for kind in inventory.kinds_in_shop() if kind.tag == tag.strip()
        ]
    outcome = "added" if added else "exists already"
    typer.echo(printable(f"{tag.strip()}: {outcome}"))
    if kinds:
        show_next(
            Step("tagger scan FOLDER", f"gives it to pictures of {_phrases(kinds)}")
        )
    else:
        show_next(Step("tagger review", "offers it: t chooses a tag by its name"))


@tags.command()
def suggest(db: options.Db = None, as_json: options.AsJsonLines = False) -> None:
    """List the kinds without a tag that the network found: skirts, heels, blazers.

    Show how many pictures of each wait for review, and how reviewers tagged them.
    Example: tagger tags suggest --json
    """
    from dataclasses import asdict

    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        kinds = inventory.kinds_in_shop()
    if as_json:
        for kind in kinds:
            options.print_json(asdict(kind))
        return
    from tagger.cli.views import scan_views
    from tagger.labels import tag_for
    from tagger.text import as_typed

    options.console().print(scan_views.kind_list(kinds))
    untagged = [kind.kind for kind in kinds if kind.tag is None and kind.waiting]
    if untagged:
        tag = as_typed(tag_for(untagged[0]))
        show_next(Step(f"tagger tags add {tag}", f"adds a tag for {untagged[0]}"))


@tags.command("map")
def map_(
    kind: Annotated[
        str, typer.Argument(help="The kind, as 'tagger tags suggest' names it.")
    ],
    tag: Annotated[str, typer.Argument(help="The tag to give it.")],
    db: options.Db = None,
    reviewer: options.Reviewer = None,
) -> None:
    """Give pictures of a kind an existing tag.

    Example: tagger tags map cardigan Pullover
    """
    from tagger.inventory import Inventory
    from tagger.text import printable

    with Inventory(options.database(db), create=False) as inventory:
        name = options.reviewer_name(reviewer)
        known = inventory.map_kind(kind.strip(), tag.strip(), name)
    typer.echo(printable(f"{known}: tagged {tag.strip()}"))
    show_next(SCAN_AGAIN)


@tags.command()
def unmap(
    kind: Annotated[
        str, typer.Argument(help="The kind, as 'tagger tags suggest' names it.")
    ],
    db: options.Db = None,
) -> None:
    """Undo 'tagger tags map': the kind has no tag again; decisions stay.

    Example: tagger tags unmap cardigan
    """
    from tagger.inventory import Inventory
    from tagger.text import printable

    with Inventory(options.database(db), create=False) as inventory:
        known = inventory.unmap_kind(kind.strip())
    typer.echo(printable(f"{known}: no tag"))
    show_next(Step("tagger scan FOLDER", "flags pictures of the kind for review"))


@tags.command("list")
def list_(db: options.Db = None, as_json: options.AsJsonLines = False) -> None:
    """List the custom tags, and how many pictures people gave each.

    Example: tagger tags list --json
    """
    from dataclasses import asdict

    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        custom = inventory.custom_tags()
    if as_json:
        for tag in custom:
            options.print_json(asdict(tag))
    else:
        from tagger.cli.views import scan_views

        options.console().print(scan_views.tag_list(custom))


@tags.command()
def remove(tag: Tag, db: options.Db = None) -> None:
    """Remove a custom tag from the choices; decisions with it stay.

    Example: tagger tags remove Skirt
    """
    from tagger.inventory import Inventory
    from tagger.text import printable

    with Inventory(options.database(db), create=False) as inventory:
        inventory.remove_tag(tag.strip())
    typer.echo(printable(f"{tag.strip()}: removed; decisions with it stay"))
    show_next(Step("tagger scan FOLDER", "no longer gives this tag"))


def _phrases(kinds: "list[str]") -> str:
    from tagger.labels import phrase

    return ", ".join(map(phrase, kinds))
