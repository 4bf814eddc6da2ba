"""Prove thresholds from audited answers, so that a promise is kept as often as it says.

Pure functions of arrays. The promise: of what the machine accepts without a person
under the certified policy, at least `precision` is right, with `certainty`; where only
single tags are certified, of what it accepts of each of these. Learn then test of
Angelopoulos et al. 2021 (arXiv:2110.01052): every threshold is a hypothesis "the share
of right ones from here on is below the target", tested from a few strict thresholds
downwards until one cannot be refused. Four choices make it hold as it is used here:

- A hypothesis is tested by a betting martingale in place of a binomial p-value: the
  capital of a gambler who bets that the next answer is right, at odds that are fair
  where the target is just met (Ville 1939; Waudby-Smith and Ramdas 2023,
  arXiv:2010.09686). It exceeds 1/doubt at any time with a probability of at most
  `doubt`, so that one may look after every answer, and go on until it suffices. A
  Clopper-Pearson bound may be looked at once.
- The doubt, 1 - certainty, is shared out among all that could be claimed: most to one
  joint claim about all tags together, the rest evenly to a claim for each tag, each
  shared in turn by the thresholds that a test may start from.
- The claim for a tag never lowers its threshold within the joint claim: the joint share
  may owe its height to that very tag, so that what is left and what was added might
  each fall short. One kind of claim is used or the other.
- Only random samples are evidence (see `inventory.certificates`).

No margin to the runner-up is tested beside the threshold; the bundled one stays. On
four sets of photographs (4,050 of a shop, 1,582 of telephones, 373 of a demonstration
shop, 579 of others), each asked of a network that had not seen it, the best of all
pairs of a threshold and a margin, chosen with the truth in sight, accepts at a
precision of 0.97 what the best threshold alone does, to the picture: 0.153, 0.033,
0.491 and 0.249 of them. What is sure has its margin, and a second grid would only share
out the doubt further.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.inventory.records import AuditedAnswer
from tagger.policy.accept import least_by_tag, may_be_accepted
from tagger.records import Claim, Policy, certified_alone

STARTS: Final = (0.99, 0.95, 0.8)
"""Thresholds that a test starts from: for networks that are too sure of themselves,
that mean what they say, and that are seldom sure. Fixed, for a start chosen by the
answers would not be honest."""

JOINT: Final = 0.75
"""Share of the doubt spent on the claim about all tags together: the one that the
answers of a few mornings can reach."""

_GRID: Final = np.arange(99, 0, -1) / 100
"""Thresholds that are tried, the strictest first."""

_BETS: Final = (np.arange(20) + 0.5) / 20
"""How many are wrong in the shops that are bet on, as shares of what is allowed."""

_STAKES: Final = _BETS**-0.5 / (_BETS**-0.5).sum()
"""More is staked on shops with few wrong: only they can be certified soon."""

_AT_ONCE: Final = 64

Numbers = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Audited answers in the order they were drawn, and what they can tell of.

    All arrays have one entry an answer: `tag` a number into `tags`, `confidence` in
    [0, 1], `right`. `own_from` is the least confidence from which the answer's audit
    drew pictures of that tag, `joint_from` the least threshold such that the audit drew
    from all that would be accepted, of any tag; infinite where it left something out.
    """

    tags: tuple[str, ...]
    tag: Numbers
    confidence: Shares
    right: NDArray[np.bool_]
    own_from: Shares
    joint_from: Shares


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """What a policy may accept or flag: a tag's number and a confidence a picture."""

    tag: Numbers
    confidence: Shares

    def accepted(self, policy: Policy, tags: Sequence[str]) -> NDArray[np.bool_]:
        """Which of the pictures a policy accepts; its margin is not looked at."""
        return self.confidence >= least_by_tag(policy, tags)[self.tag]


def evidence_of(
    answers: Sequence[AuditedAnswer], tags: Sequence[str], bundled: Policy
) -> Evidence:
    """Put answers as arrays; what no threshold accepts is left out.

    That is what the bundled policy's margin flags, and what the network itself took
    for no catalogue item. What several audits drew counts once, as drawn by each.
    """
    numbers = {tag: number for number, tag in enumerate(tags)}
    eligible: dict[str, list[AuditedAnswer]] = {}
    for one in answers:
        said = one.prediction
        if may_be_accepted(said, bundled.margin) and said.tag in numbers:
            eligible.setdefault(one.digest, []).append(one)
    draws = list(eligible.values())
    saids = [one[0].prediction for one in draws]
    return Evidence(
        tags=tuple(tags),
        tag=np.array([numbers[said.tag] for said in saids], np.int64),
        confidence=np.array([said.confidence for said in saids], float),
        right=np.array([any(one.right for one in some) for some in draws], bool),
        own_from=np.array(
            [
                min(_drawn_from(one, one.prediction.tag, bundled) for one in some)
                for some in draws
            ],
            float,
        ),
        joint_from=np.array(
            [
                min(_all_drawn_from(one, tags, bundled) for one in some)
                for some in draws
            ],
            float,
        ),
    )


def certify(
    evidence: Evidence, bundled: Policy, precision: float, certainty: float
) -> tuple[Claim, ...]:
    """Return the joint claim, then a claim for each tag, certified or not.

    `bundled` is the network's own policy: its margin stays, and in the joint claim no
    tag's own threshold is lowered. `precision` and `certainty` lie between 0 and 1.
    """
    doubt = 1 - certainty
    own = np.array([bundled.tags.get(tag, 0.0) for tag in evidence.tags])
    joint = evidence.confidence >= own[evidence.tag]
    claim = _claim(evidence, joint, evidence.joint_from, None, precision, JOINT * doubt)
    claims = [_no_lower_than(claim, float(own.min(initial=1.0)))]
    share = (1 - JOINT) * doubt / len(evidence.tags)
    claims += [
        _claim(
            evidence, evidence.tag == number, evidence.own_from, tag, precision, share
        )
        for number, tag in enumerate(evidence.tags)
    ]
    return tuple(claims)


def _no_lower_than(claim: Claim, floor: float) -> Claim:
    """Return a joint claim whose threshold is not below every tag's own.

    Lower, it would prove the same, and accept anything of a tag that is added later.
    """
    if claim.threshold is None or claim.threshold >= floor:
        return claim
    return replace(claim, threshold=floor, least=floor)


def certified_policy(
    claims: Sequence[Claim], bundled: Policy, careful: Policy, population: Population
) -> Policy | None:
    """Return the policy that the claims prove; None where they prove nothing.

    The joint claim's, or the certified tags' own thresholds with those of the `careful`
    policy for the rest: whichever accepts more of the population with a proof.
    `bundled` is as it was for `certify`.
    """
    tags = [claim.tag for claim in claims if claim.tag is not None]
    found: list[tuple[int, Policy]] = []
    if (joint := claims[0].threshold) is not None:
        own = {tag: least for tag, least in bundled.tags.items() if least > joint}
        policy = Policy(joint, bundled.margin, own)
        found.append((int(population.accepted(policy, tags).sum()), policy))
    if alone := certified_alone(claims):
        policy = Policy(careful.threshold, bundled.margin, {**careful.tags, **alone})
        proven = np.array([tag in alone for tag in tags])
        accepted = population.accepted(policy, tags) & proven[population.tag]
        found.append((int(accepted.sum()), policy))
    return max(found, key=lambda one: one[0])[1] if found else None


def log_capital(right: Numbers, wrong: Numbers, precision: float) -> Shares:
    """Return the logarithm of what a gambler made of 1 who bets on right answers.

    Of `right` and `wrong` answers in any order; the mean over `_BETS` of the likelihood
    ratio of a shop with that share of wrong ones to one that just meets `precision`.
    Where the true share of right ones is at most `precision`, this is the logarithm of
    a supermartingale that begins at 1.
    """
    allowed = 1 - precision
    gain = np.log((1 - _BETS * allowed) / precision)
    loss = np.log(_BETS)
    logs = np.multiply.outer(right, gain) + np.multiply.outer(wrong, loss)
    top: Shares = logs.max(axis=-1)
    found: Shares = top + np.log(np.exp(logs - top[..., None]) @ _STAKES)
    return found


def answers_needed(right: int, wrong: int, precision: float, doubt: float) -> int:
    """Return how many further answers, all right, refuse the hypothesis at `doubt`."""
    # One bet alone gets there with so many: the capital is more than its part.
    gain = log((1 - _BETS[0] * (1 - precision)) / precision)
    price = -log(doubt) - log(_STAKES[0]) - wrong * log(_BETS[0])
    low, high = -1, max(0, ceil(price / gain) - right)
    while high - low > 1:
        tried = np.unique(np.linspace(low + 1, high, _AT_ONCE).astype(np.int64))
        capital = log_capital(right + tried, np.full_like(tried, wrong), precision)
        first = int(np.argmax(capital >= -log(doubt)))
        high = int(tried[first])
        low = int(tried[first - 1]) if first else high - 1
    return high


def _claim(  # noqa: PLR0913, PLR0917  a test is made of these
    evidence: Evidence,
    about: NDArray[np.bool_],
    drawn_from: Shares,
    tag: str | None,
    precision: float,
    doubt: float,
) -> Claim:
    """Test the thresholds one after another from each start; keep the lowest proven."""
    confidence, since = evidence.confidence[about], drawn_from[about]
    right = evidence.right[about]
    speaks = (confidence >= _GRID[:, None]) & (since <= _GRID[:, None])
    counts, rights = speaks.sum(axis=1), (speaks & right).sum(axis=1)
    share = doubt / len(STARTS)
    refused = log_capital(rights, counts - rights, precision) >= -log(share)
    starts = [int(np.argmin(np.abs(_GRID - start))) for start in STARTS]
    ends = [_end_of_run(refused, at) for at in starts]
    if any(end is not None for end in ends):
        at = max(end for end in ends if end is not None)
        return Claim(
            tag, int(counts[at]), int(rights[at]), float(_GRID[at]), 0, float(_GRID[at])
        )
    needed = [
        answers_needed(int(rights[at]), int(counts[at] - rights[at]), precision, share)
        for at in starts
    ]
    # Where several are as near, the lowest: there are more pictures of it. But where
    # too many are wrong, even of what is no even sample, it is better to be strict.
    above = [right[confidence >= start] for start in STARTS]
    hopeless = [bool(len(some)) and some.mean() < precision for some in above]
    nearest = min(range(len(starts)), key=lambda n: (hopeless[n], needed[n], STARTS[n]))
    if all(hopeless):
        nearest = 0
    at = starts[nearest]
    return Claim(
        tag,
        int(counts[at]),
        int(rights[at]),
        None,
        needed[nearest],
        float(_GRID[at]),
    )


def _end_of_run(refused: NDArray[np.bool_], start: int) -> int | None:
    """Return the last place of the run of refused hypotheses that begins at `start`."""
    if not refused[start]:
        return None
    after = np.flatnonzero(~refused[start:])
    return start + int(after[0]) - 1 if len(after) else len(refused) - 1


def _drawn_from(one: AuditedAnswer, tag: str, bundled: Policy) -> float:
    """Return the least confidence from which an audit drew all pictures of a tag."""
    if one.of_tag not in {None, tag} or one.drawn_by.margin > bundled.margin:
        return float("inf")
    return one.drawn_by.least(tag)


def _all_drawn_from(one: AuditedAnswer, tags: Sequence[str], bundled: Policy) -> float:
    """Return the least joint threshold whose accepted pictures an audit drew from."""
    if one.of_tag is not None:
        return float("inf")
    starts = [_drawn_from(one, tag, bundled) for tag in tags]
    own = [bundled.tags.get(tag, 0.0) for tag in tags]
    return max((s for s, o in zip(starts, own, strict=True) if s > o), default=0.0)
