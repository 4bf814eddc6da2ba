"""Render certificates and audit evidence for the terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.inventory.records import (
    ENOUGH,
    Agreement,
    AuditEvidence,
    AuditReach,
    AutoTaggingStats,
    Contradiction,
)
from tagger.policy.intervals import wilson
from tagger.records import NOT_CATALOGUE, Certificate, Claim
from tagger.text import printable

_MOST_CONTRADICTIONS: Final = 10
_FIRST_AUDIT: Final = 100
"""Pictures of a first audit: enough for an interval of about ten points."""

FIRST_CERTIFICATE: Final = 155
"""Right answers that certify a network without other evidence: the result of
`testing.answers_needed` for the defaults of `tagger certify`. A constant, so that
`tagger status` need not import NumPy."""

FIRST_FROM: Final = 0.8
"""Least confidence of these answers, the lowest of `testing.STARTS`."""

_GOOD_AGREEMENT: Final = 0.95
"""Least share of blind repeats that a careful reviewer answers alike. Below it no
network can be shown to be right on 97 of 100: the answers themselves are not."""


def certification(
    certificate: Certificate,
    evidence: AuditEvidence,
    reach: AuditReach = ENOUGH,
    *,
    withdrawn: bool,
    dry_run: bool,
) -> RenderableType:
    """Show the claims of a certificate, the next steps and the evidence."""
    title = (
        f"Network {printable(certificate.network)}: {certificate.precision:.0%} of "
        f"accepted pictures right, with a certainty of {certificate.certainty:.0%}"
    )
    parts: list[RenderableType] = [Text(title, style="bold"), Text()]
    parts += [_claims(certificate, reach), Text()]
    parts += [Text(_outcome(certificate, withdrawn=withdrawn), style="bold")]
    parts += [Text(line) for line in next_steps(certificate, reach)]
    parts += [Text(), *(Text(line, style="dim") for line in _rests_on(evidence))]
    parts += [Text(line, style="yellow") for line in warnings(evidence)]
    if dry_run:
        parts += [Text(), Text("dry run, nothing was written")]
    return Group(*parts)


def auto_tagging_stats(
    stats: AutoTaggingStats, accepted: int | None = None
) -> RenderableType:
    """Show how well the network tags on its own, and the next steps.

    `accepted` is the number of accepted items, which an audit can draw from.
    """
    lines = [
        *_measured(stats, accepted),
        *_moved(stats),
        *_certified(stats),
        *_confused(stats),
    ]
    return Group(*(Text(printable(line)) for line in lines))


def certified_lines(stats: AutoTaggingStats) -> list[str]:
    """Return printable lines: the change since before, the certificate, next steps."""
    return [printable(line) for line in (*_moved(stats), *_certified(stats))]


def next_steps(certificate: Certificate, reach: AuditReach = ENOUGH) -> Iterator[str]:
    """Yield the claims that are not certified, with the step to take next."""
    joint, *single = certificate.claims
    if joint.threshold is None:
        lacking = _lacking(certificate, joint, reach)
        step = _step(joint, reach)
        yield f"all tags together: {lacking}: {step}"
    if missing := [
        c.tag for c in single if c.tag and not c.answers and not c.threshold
    ]:
        yield f"no audited pictures yet: {printable(', '.join(missing))}"


def audit_command(claim: Claim, size: int) -> str:
    """Return the command that collects answers that a claim lacks."""
    tag = f" --tag '{printable(claim.tag)}'" if claim.tag is not None else ""
    return f"tagger review --audit {size} --from {claim.least:.2f}{tag}"


def _step(joint: Claim, reach: AuditReach) -> str:
    """Return what to do for the claim about all tags, with the pictures there are."""
    left = reach.joint
    if left is None:
        return f"run {audit_command(joint, joint.needed)}"
    if reach.precision is None:
        return "'tagger certify' shows what they can prove"
    if not reach.precision:
        return "scan more pictures first"
    lower = f"tagger certify --precision {reach.precision:.2f}"
    if not left:
        return f"the answers may prove less: run {lower}"
    return f"if these are right, {lower} succeeds: run {audit_command(joint, left)}"


def warnings(evidence: AuditEvidence) -> Iterator[str]:
    """Yield the contradictions, and how reliably each reviewer answers."""
    yield from _contradictions(evidence.contradictions)
    for agreement in evidence.agreements:
        yield from _agreement(agreement)


def _measured(stats: AutoTaggingStats, accepted: int | None) -> Iterator[str]:
    if not stats.audited:
        size = _FIRST_AUDIT if accepted is None else min(accepted, _FIRST_AUDIT)
        if size:
            yield (
                "How many accepted pictures are right is not measured yet: run "
                f"'tagger review --audit {size}'"
            )
        return
    share = wilson(stats.right, stats.audited)
    yield (
        f"Of {share.of:,} audited pictures that the network accepted, "
        f"{share.value:.1%} are right (95 % interval: {share.low:.0%} to "
        f"{share.high:.0%})."
    )


def _moved(stats: AutoTaggingStats) -> Iterator[str]:
    """Yield the comparison with the network or policy that was in force before."""
    before = stats.formerly
    if before is None:
        return
    then, today = (n / before.pictures for n in (before.accepted, before.accepted_now))
    if f"{then:.0%}" == f"{today:.0%}" and not (before.audited or stats.audited):
        return  # there is nothing to compare
    if before.digest != stats.digest:
        what = f"With the previous network {before.network}"
    else:
        least, now = before.policy.threshold, stats.policy.threshold
        what = f"With the previous threshold {least:.2f} (now {now:.2f})"
        if least == now:
            what = "With the previous thresholds of single tags"
    if before.audited:
        share = wilson(before.right, before.audited)
        yield (
            f"{what}, {share.value:.1%} of {share.of:,} audited pictures were right "
            f"(95 % interval: {share.low:.0%} to {share.high:.0%})."
        )
    else:
        yield f"{what}, no picture was audited."
    yield (
        f"Accepted without a person: {then:.0%} before, {today:.0%} now, of the same "
        "pictures, including those that people answered."
    )


def _confused(stats: AutoTaggingStats) -> Iterator[str]:
    if not stats.confused:
        return
    pairs = ", ".join(
        f"{predicted} → {answer or NOT_CATALOGUE} ({count:,})"
        for predicted, answer, count in stats.confused
    )
    before = stats.formerly
    when = ""
    if stats.confused_before:
        when = f" before {stats.network}"
    elif before is not None and before.digest != stats.digest:
        when = f" since {stats.network} is in force"
    yield f"Most often corrected{when}: {pairs}."


def _certified(stats: AutoTaggingStats) -> Iterator[str]:
    certificate = stats.certificate
    if certificate is None:
        if not stats.audited:
            return  # `_measured` suggests the first audit; one step at a time
        yield f"Nothing is certified yet. {_first_certificate(stats.reach)}"
        return
    made = f"Certified on {certificate.made_at.astimezone():%Y-%m-%d}"
    if stats.waits:
        made = "Ready to certify (run 'tagger certify')"
    if certificate.policy is None:
        yield "Nothing is certified yet."
    else:
        tags = [c.tag for c in certificate.claims if c.tag and c.threshold is not None]
        what = "all tags together" if certificate.joint else ", ".join(tags)
        yield (
            f"{made} for {what}: {certificate.precision:.0%} right, "
            f"certainty {certificate.certainty:.0%}; accepts "
            f"{certificate.accepts:.0%} of the pictures predicted as items "
            f"(before: {certificate.accepted_before:.0%})."
        )
    yield from next_steps(certificate, stats.reach)
    if stats.audited_since:
        yield f"{stats.audited_since:,} audit answers since then: run 'tagger certify'"


def _first_certificate(reach: AuditReach) -> str:
    """Say what a first certificate needs."""
    needed = f"{FIRST_CERTIFICATE} audited pictures, all right, would be enough"
    if reach.joint is not None:
        return (
            f"{needed}, but only {reach.joint:,} have a confidence of "
            f"{FIRST_FROM:.2f} or more: 'tagger certify' shows what they can prove"
        )
    return (
        f"{needed}: run 'tagger review --audit {FIRST_CERTIFICATE} --from "
        f"{FIRST_FROM:.2f}', then 'tagger certify'"
    )


def _claims(found: Certificate, reach: AuditReach) -> Table:
    table = Table(box=None, pad_edge=False, header_style="italic")
    table.add_column("tag")
    for name in ("audited", "right", "accepted from"):
        table.add_column(name, justify="right")
    table.add_column("")
    for claim in found.claims:
        if claim.tag is None or claim.answers or claim.threshold is not None:
            table.add_row(*_row(found, claim, reach))
    return table


def _row(found: Certificate, claim: Claim, reach: AuditReach) -> tuple[str | Text, ...]:
    least = "" if claim.tag is None else _least(found, claim.tag)
    audited = f"{claim.answers:,} from {claim.least:.2f}" if claim.answers else "none"
    right = f"{claim.right / claim.answers:.1%}" if claim.answers else ""
    return (
        Text(printable(claim.tag or "all tags together")),
        audited,
        right,
        least,
        _standing(found, claim, reach),
    )


def _least(found: Certificate, tag: str) -> str:
    return "" if found.policy is None else f"{found.policy.least(tag):.2f}"


def _standing(found: Certificate, claim: Claim, reach: AuditReach) -> Text:
    if claim.threshold is not None:
        return Text(f"certified from {claim.threshold:.2f} on", style="green")
    if found.joint and claim.tag is not None:
        return Text("certified with all tags together", style="green")
    return Text(_lacking(found, claim, reach), style="dim")


def _lacking(found: Certificate, claim: Claim, reach: AuditReach) -> str:
    more = f"{claim.needed:,} more audited picture{'s' * (claim.needed != 1)} needed"
    left = reach.left(claim.tag)
    if left is not None:
        return (
            f"not certified: {claim.needed:,} more right answers needed, and only "
            f"{left:,} picture{'s' * (left != 1)} left to audit"
        )
    if claim.right < found.precision * claim.answers:
        return f"not certified: too many wrong; {more}, all right"
    return f"not certified: {more}, all right"


def _outcome(found: Certificate, *, withdrawn: bool) -> str:
    if found.policy is None:
        policy = "scans use the network's own, uncertified policy"
        return (
            f"The previous certificate is withdrawn: {policy}."
            if withdrawn
            else f"Nothing is certified yet: {policy}."
        )
    outcome = (
        f"Certified: the next scan accepts {found.accepts:.0%} of the "
        f"{found.pictures:,} undecided pictures predicted as items (before: "
        f"{found.accepted_before:.0%}) and flags the others."
    )
    if found.joint:
        return f"{outcome} This holds for all tags together; a single tag may be worse."
    return f"{outcome} Tags that are not certified keep the uncertified policy."


def _rests_on(evidence: AuditEvidence) -> Iterator[str]:
    used = f"Evidence: {evidence.pictures:,} audit answers, drawn at random"
    if evidence.from_queue:
        used += (
            f"; {evidence.from_queue:,} of them were given in a review, which showed "
            "the tag, before the audit drew the picture"
        )
    yield used + "."
    yield (
        "Not used: all other decisions. The pictures of a review are not a random "
        "sample of all pictures."
    )
    if evidence.skipped:
        yield f"Skipped audit pictures, counted as wrong: {evidence.skipped:,}."
    if evidence.waiting:
        yield (
            f"Audit pictures without an answer: {evidence.waiting:,}; run 'tagger "
            "review --audit 1'."
        )


def _contradictions(found: Sequence[Contradiction]) -> Iterator[str]:
    if not found:
        return
    yield (
        f"{len(found):,} picture{'s' * (len(found) != 1)} with contradicting "
        "decisions, never counted as right"
    )
    for picture in found[:_MOST_CONTRADICTIONS]:
        answers = ", ".join(
            f"{reviewer}: {tag or NOT_CATALOGUE}"
            for tag, reviewer in zip(picture.tags, picture.reviewers, strict=True)
        )
        yield f"  {printable(picture.path)} ({printable(answers)})"
    if (more := len(found) - _MOST_CONTRADICTIONS) > 0:
        yield f"  and {more:,} more"


def _agreement(agreement: Agreement) -> Iterator[str]:
    share = wilson(agreement.same, agreement.asked_again)
    same = (
        f"{printable(agreement.reviewer)} gave the same answer again, blind, to "
        f"{agreement.same} of {agreement.asked_again} pictures"
    )
    if share.high < _GOOD_AGREEMENT:
        yield f"warning: {same}: these answers are not reliable"
    else:
        yield same
