"""`tagger certify`: certify by audits what is accepted without a person."""

from functools import wraps
from typing import Annotated, Any

import typer

from tagger.cli import options


def certify(
    precision: Annotated[
        float,
        typer.Option(
            min=0.5,
            max=0.999,
            help="Share of what is accepted without a person that must be right.",
        ),
    ] = 0.97,
    certainty: Annotated[
        float,
        typer.Option(
            min=0.5, max=0.999, help="How certain it must be that it is, from 0 to 1."
        ),
    ] = 0.9,
    db: options.Db = None,
    model: options.ModelName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the table and write nothing.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Certify thresholds by what audits found; scans then accept by them.

    Evidence are the answers to 'tagger review --audit'. May be run after any answer,
    and every night: the certainty holds however often one looks. Exit status 4 where
    nothing could be certified: then the careful policy holds.
    Example: tagger certify --precision 0.98
    """
    from dataclasses import asdict

    from tagger.bundles.adapted import bundle_in_force
    from tagger.certification.current import uncertified_policy
    from tagger.certification.issue import certify_network, says_the_same
    from tagger.errors import EXIT_UNCERTIFIED
    from tagger.inventory import Inventory

    database = options.database(db)
    with Inventory(database, create=False) as inventory:
        bundle = bundle_in_force(database, inventory.adaptations(), model)
        card = bundle.card
        before = inventory.certificate(card.digest)
        proof = certify_network(
            inventory,
            card.identity,
            bundled=card.policy,
            careful=uncertified_policy(inventory, bundle),
            precision=precision,
            certainty=certainty,
        )
        if not dry_run and not says_the_same(before, proof.certificate):
            inventory.keep_certificate(proof.certificate)
    found, heard = proof.certificate, proof.evidence
    if as_json:
        rest = asdict(heard) | {"answers": heard.pictures}
        options.print_json(asdict(found) | {"joint": found.joint, "testimony": rest})
    else:
        from tagger.certification.summary import certification

        withdrawn = before is not None and before.policy is not None
        shown = certification(found, heard, withdrawn=withdrawn, dry_run=dry_run)
        options.console().print(shown)
    if found.policy is None:
        raise typer.Exit(EXIT_UNCERTIFIED)


@wraps(certify)
def calibrate(**values: Any) -> None:  # noqa: ANN401
    """Do what `tagger certify` does, under the name it had before 0.2.0."""
    typer.echo("'tagger calibrate' is called 'tagger certify' now", err=True)
    certify(**values)
