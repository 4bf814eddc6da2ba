"""`tagger tags`: the tags of a shop's own."""

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
    said = "added" if added else "there already"
    typer.echo(printable(f"{tag.strip()}: {said}"))


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
        from tagger import display

        options.console().print(display.tag_list(found))


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
