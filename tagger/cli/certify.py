"""`tagger certify`: certify acceptance thresholds from audit answers."""

from functools import wraps
from typing import Annotated, Any

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.next_step import Step, show_next

_SCAN = Step("tagger scan FOLDER", "accepts pictures by the certified thresholds")
_FOR_GOOD = Step("tagger certify", "writes this result")


def certify(
    precision: Annotated[
        float,
        typer.Option(
            min=0.5,
            max=0.999,
            help="Share of accepted pictures that must be right.",
        ),
    ] = 0.97,
    certainty: Annotated[
        float,
        typer.Option(
            min=0.5,
            max=0.999,
            help="Certainty that this share is reached, from 0 to 1.",
        ),
    ] = 0.9,
    db: options.Db = None,
    model: options.ModelName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the result and write nothing.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Certify thresholds from audit answers; later scans accept by them.

    The evidence is the answers to 'tagger review --audit'. Run it as often as you like,
    even every night: the certainty holds. Exit status 4: no threshold could be
    certified, and scans use the network's own, uncertified policy.
    Example: tagger certify --precision 0.98
    """
    from dataclasses import asdict

    from tagger.errors import EXIT_UNCERTIFIED

    database = options.database(db)
    with activity("testing the audit answers", shown=not as_json):
        from tagger.bundles.adapted import bundle_in_force
        from tagger.certification.current_precision import uncertified_policy
        from tagger.certification.issue import certify_network, has_same_claims
        from tagger.inventory import Inventory

        with Inventory(database, create=False) as inventory:
            bundle = bundle_in_force(database, inventory.adaptations(), model)
            card = bundle.card
            before = inventory.certificate(card.digest)
            proof = certify_network(
                inventory,
                card.identity,
                bundled=card.policy,
                uncertified=uncertified_policy(inventory, bundle),
                precision=precision,
                certainty=certainty,
            )
            if not dry_run and not has_same_claims(before, proof.certificate):
                inventory.keep_certificate(proof.certificate)
    certificate, evidence = proof.certificate, proof.evidence
    if as_json:
        rest = asdict(evidence) | {"answers": evidence.pictures}
        fields = {"joint": certificate.joint, "testimony": rest}
        options.print_json(asdict(certificate) | fields)
    else:
        from tagger.certification.summary import certification

        withdrawn = before is not None and before.policy is not None
        shown = certification(
            certificate, evidence, proof.reach, withdrawn=withdrawn, dry_run=dry_run
        )
        options.console().print(shown)
        if certificate.policy is not None:
            show_next(_FOR_GOOD if dry_run else _SCAN)
    if certificate.policy is None:
        raise typer.Exit(EXIT_UNCERTIFIED)


@wraps(certify)
def calibrate(**values: Any) -> None:  # noqa: ANN401
    """Run `tagger certify` under its old name, used before 0.2.0."""
    typer.echo("'tagger calibrate' is now called 'tagger certify'", err=True)
    certify(**values)
