"""What a person sees of certificates in the terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.inventory.records import (
    Agreement,
    AuditEvidence,
    AutoTaggingStats,
    Contradiction,
)
from tagger.policy.intervals import wilson
from tagger.records import Certificate, Claim
from tagger.text import printable

_MOST_CONTRADICTIONS: Final = 10

FIRST_CERTIFICATE: Final = 155
"""Answers, all right, that certify a network of which nothing is known: what
`certifying.answers_needed` gives for `tagger certify` without options. A number, for
a status does not wait for NumPy."""

_GOOD_AGREEMENT: Final = 0.95
"""Share of re-asked pictures that a careful reviewer answers alike at least. Below it,
no machine can be shown to be right on 97 of 100: the answers themselves are not."""


def certification(
    found: Certificate, heard: AuditEvidence, *, withdrawn: bool, dry_run: bool
) -> RenderableType:
    """Show what is certified, what is not and why, and what it rests on."""
    title = (
        f"Network {printable(found.network)}: {found.precision:.0%} of what it accepts "
        f"right, with a certainty of {found.certainty:.0%}"
    )
    parts: list[RenderableType] = [Text(title, style="bold"), Text(), _claims(found)]
    parts += [Text(), Text(_outcome(found, withdrawn=withdrawn), style="bold")]
    parts += [Text(line) for line in next_steps(found)]
    parts += [Text(), *(Text(line, style="dim") for line in _rests_on(heard))]
    parts += [Text(line, style="yellow") for line in warnings(heard)]
    if dry_run:
        parts += [Text(), Text("dry run, nothing was written")]
    return Group(*parts)


def auto_tagging_stats(found: AutoTaggingStats) -> RenderableType:
    """Tell what is known of the machine's work alone, and what would tell more."""
    lines = [_measured(found), *_moved(found), *_certified(found), *_confused(found)]
    return Group(*(Text(printable(line)) for line in lines))


def certified_lines(found: AutoTaggingStats) -> list[str]:
    """Tell what moved, what is certified, and what is lacking; fit to be shown."""
    return [printable(line) for line in (*_moved(found), *_certified(found))]


def next_steps(found: Certificate) -> Iterator[str]:
    """Say what is not certified, and which audit would bring it nearest."""
    joint, *alone = found.claims
    if joint.threshold is None:
        yield f"all tags together: {_lacking(found, joint)}: {audit_command(joint)}"
    if unheard := [c.tag for c in alone if c.tag and not c.answers and not c.threshold]:
        yield f"no audited picture yet of {printable(', '.join(unheard))}"


def audit_command(claim: Claim) -> str:
    """Return the command that asks for the answers a claim lacks."""
    tag = f" --tag '{printable(claim.tag)}'" if claim.tag is not None else ""
    return f"tagger review --audit {claim.needed} --from {claim.least:.2f}{tag}"


def warnings(heard: AuditEvidence) -> Iterator[str]:
    """Say what speaks against the answers: contradictions, and doubtful reviewers."""
    yield from _contradictions(heard.contradictions)
    for one in heard.agreements:
        yield from _agreement(one)


def _measured(found: AutoTaggingStats) -> str:
    if not found.audited:
        return (
            "No audit tells how often the machine is right alone: "
            "tagger review --audit 100"
        )
    share = wilson(found.right, found.audited)
    return (
        f"Of what the machine accepts alone, {share.value:.1%} of {share.of:,} audited "
        f"is right (95 % sure: {share.low:.0%} to {share.high:.0%})."
    )


def _moved(found: AutoTaggingStats) -> Iterator[str]:
    """Tell how what the machine does alone moved since another network, or policy."""
    before = found.formerly
    if before is None:
        return
    if before.digest != found.digest:
        what = f"Before {found.network}, with {before.network}"
    else:
        least, now = before.policy.threshold, found.policy.threshold
        what = f"Before, accepting from {least:.2f} on and not {now:.2f}"
        if least == now:
            what = "Before, with other thresholds for single tags"
    if before.audited:
        share = wilson(before.right, before.audited)
        told = (
            f"{share.value:.1%} of {share.of:,} audited was right "
            f"(95 % sure: {share.low:.0%} to {share.high:.0%})"
        )
    else:
        told = "no audit told how often it was right"
    yield f"{what}, {told}."
    then, today = (n / before.pictures for n in (before.accepted, before.accepted_now))
    yield (
        f"Accepted without a person: {then:.0%} of the pictures then, {today:.0%} now, "
        "those that were answered among them."
    )


def _confused(found: AutoTaggingStats) -> Iterator[str]:
    if not found.confused:
        return
    pairs = ", ".join(
        f"{machine} is {person or 'no catalogue item'} ({count:,})"
        for machine, person, count in found.confused
    )
    before = found.formerly
    when = ""
    if found.confused_before:
        when = f" before {found.network}"
    elif before is not None and before.digest != found.digest:
        when = f" since {found.network} came"
    yield f"Most often corrected{when}: {pairs}."


def _certified(found: AutoTaggingStats) -> Iterator[str]:
    certificate = found.certificate
    if certificate is None:
        yield (
            f"Nothing is certified yet: {FIRST_CERTIFICATE} audited answers, all "
            f"right, would be enough: tagger review --audit {FIRST_CERTIFICATE} --from "
            "0.80, then tagger certify"
        )
        return
    made = f"Certified on {certificate.made_at.astimezone():%Y-%m-%d}"
    if found.waits:
        made = "Can be certified now ('tagger certify' does)"
    if certificate.policy is None:
        yield "Nothing is certified yet."
    else:
        tags = [c.tag for c in certificate.claims if c.tag and c.threshold is not None]
        what = "all tags together" if certificate.joint else ", ".join(tags)
        yield (
            f"{made} for {what}: {certificate.precision:.0%} right, "
            f"certainty {certificate.certainty:.0%}; accepted alone "
            f"{certificate.accepts:.0%} of what it takes for items, before "
            f"{certificate.accepted_before:.0%}."
        )
    yield from next_steps(certificate)
    if found.audited_since:
        yield f"{found.audited_since:,} audited since then: tagger certify"


def _claims(found: Certificate) -> Table:
    table = Table(box=None, pad_edge=False, header_style="italic")
    table.add_column("tag")
    for name in ("audited", "right", "accepted from"):
        table.add_column(name, justify="right")
    table.add_column("")
    for claim in found.claims:
        if claim.tag is None or claim.answers or claim.threshold is not None:
            table.add_row(*_row(found, claim))
    return table


def _row(found: Certificate, claim: Claim) -> tuple[str | Text, ...]:
    least = "" if claim.tag is None else _least(found, claim.tag)
    audited = f"{claim.answers:,} from {claim.least:.2f}" if claim.answers else "none"
    right = f"{claim.right / claim.answers:.1%}" if claim.answers else ""
    return (
        Text(printable(claim.tag or "all together")),
        audited,
        right,
        least,
        _standing(found, claim),
    )


def _least(found: Certificate, tag: str) -> str:
    return "" if found.policy is None else f"{found.policy.least(tag):.2f}"


def _standing(found: Certificate, claim: Claim) -> Text:
    if claim.threshold is not None:
        return Text(f"certified from {claim.threshold:.2f} on", style="green")
    if found.joint and claim.tag is not None:
        return Text("certified with all together", style="green")
    return Text(_lacking(found, claim), style="dim")


def _lacking(found: Certificate, claim: Claim) -> str:
    more = f"{claim.needed:,} more audited item{'s' * (claim.needed != 1)} needed"
    if claim.right < found.precision * claim.answers:
        return f"not certified: wrong too often; {more}, all right"
    return f"not certified: {more}, all right"


def _outcome(found: Certificate, *, withdrawn: bool) -> str:
    if found.policy is None:
        stays = "the careful policy holds"
        return (
            f"The certificate of before is withdrawn: {stays}."
            if withdrawn
            else f"Nothing is certified yet: {stays}."
        )
    told = (
        f"Certified: the next scan accepts {found.accepts:.0%} of the "
        f"{found.pictures:,} undecided pictures of items alone, where it was "
        f"{found.accepted_before:.0%}; what it takes for none comes to the review."
    )
    if found.joint:
        return f"{told} The share is that of all tags: one alone may fall short of it."
    return f"{told} For tags that are not certified the careful policy stays."


def _rests_on(heard: AuditEvidence) -> Iterator[str]:
    used = f"Used: {heard.pictures:,} answers to audits, drawn at random"
    if heard.from_queue:
        used += (
            f"; {heard.from_queue:,} of them were given in the review, with the tag in "
            "sight, before the lot fell on them"
        )
    yield used + "."
    yield (
        "Not used: all other decisions. The review shows what is hard first, and that "
        "is no random sample."
    )
    if heard.skipped:
        yield f"{heard.skipped:,} passed over in an audit count as wrong."
    if heard.waiting:
        yield f"{heard.waiting:,} drawn wait for an answer ('tagger review --audit 1')."


def _contradictions(found: Sequence[Contradiction]) -> Iterator[str]:
    if not found:
        return
    yield (
        f"{len(found):,} picture{'s' * (len(found) != 1)} with contradicting "
        "decisions: none counts as right, wherever it was drawn"
    )
    for one in found[:_MOST_CONTRADICTIONS]:
        said = ", ".join(
            f"{reviewer}: {tag or 'not a catalogue item'}"
            for tag, reviewer in zip(one.tags, one.reviewers, strict=True)
        )
        yield f"  {printable(one.path)} ({printable(said)})"
    if (more := len(found) - _MOST_CONTRADICTIONS) > 0:
        yield f"  and {more:,} more"


def _agreement(one: Agreement) -> Iterator[str]:
    share = wilson(one.same, one.asked_again)
    told = (
        f"{printable(one.reviewer)}, asked again blind, said the same of "
        f"{one.same} of {one.asked_again}"
    )
    if share.high < _GOOD_AGREEMENT:
        yield f"warning: {told}: these answers cannot be relied on"
    else:
        yield told
