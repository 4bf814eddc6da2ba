"""Certify thresholds by sequential tests on audit evidence.

Pure functions of arrays. A certificate claims: of the pictures that the certified
policy accepts, at least `precision` are right, with `certainty`. If only single tags
are certified, the claim is about the accepted pictures of each of these. The method is
Learn then Test of Angelopoulos et al. 2021 (arXiv:2110.01052). Every threshold has the
hypothesis "from here on, the share of right pictures is below the target". The
hypotheses are tested from a few strict thresholds downwards, until one cannot be
rejected. Four choices make this valid for the way it is used here:

- The test is a betting martingale, not a binomial p-value: the capital of a gambler who
  bets that the next answer is right, at odds that are fair if the target is just met
  (Ville 1939; Waudby-Smith and Ramdas 2023, arXiv:2010.09686). The probability that the
  capital ever exceeds 1/doubt is at most `doubt`. So reviewers may test after every
  answer, and continue until it suffices. A Clopper-Pearson bound allows one test only.
- The doubt, 1 - certainty, is divided among all claims: most goes to one joint claim
  about all tags together, the rest evenly to one claim for each tag. Each claim divides
  its part among the thresholds that a test may start from.
- The claim for a tag never lowers its threshold within the joint claim. The joint share
  may be high because of that very tag, so that the other tags, and the newly accepted
  pictures, might each fall short. A policy uses one kind of claim or the other.
- Only random samples are evidence (see `inventory.certificates`).

The margin to the runner-up is not tested; the bundled margin stays. Four sets of
photographs (4,050 of a shop, 1,582 of telephones, 373 of a demonstration shop, 579 of
others) were classified by networks that had not seen them. The best pair of threshold
and margin, chosen by the true labels, accepts exactly as many at a precision of 0.97 as
the best threshold alone: 0.153, 0.033, 0.491 and 0.249 of them. Confident predictions
have a large margin, and a second grid would only divide the doubt further.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.inventory.records import AuditedAnswer
from tagger.policy.accept import is_eligible, least_by_tag
from tagger.records import Claim, Policy, certified_alone

STARTS: Final = (0.99, 0.95, 0.8)
"""Thresholds that a test starts from: for overconfident, calibrated and underconfident
networks. They are fixed: a start chosen by the answers would invalidate the test."""

JOINT: Final = 0.75
"""Share of the doubt for the claim about all tags together: the claim that the answers
of a few mornings can prove."""

_GRID: Final = np.arange(99, 0, -1) / 100
"""Tested thresholds, the strictest first."""

_BETS: Final = (np.arange(20) + 0.5) / 20
"""Error rates that the gambler bets on, as shares of the allowed rate."""

_STAKES: Final = _BETS**-0.5 / (_BETS**-0.5).sum()
"""Stakes by error rate. Low rates get more: only they can be certified soon."""

_AT_ONCE: Final = 64
"""Numbers of answers that `answers_needed` tries in one step."""

Numbers = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Audited answers in the order they were drawn, and the thresholds they support.

    All arrays have one entry an answer: `tag` a number into `tags`, `confidence` in
    [0, 1], `right`. `own_from` is the least confidence from which the answer's audit
    drew pictures of that tag. `joint_from` is the least threshold at which the audit
    drew from all accepted pictures, of any tag. Both are infinite if the audit left out
    some of these pictures.
    """

    tags: tuple[str, ...]
    tag: Numbers
    confidence: Shares
    right: NDArray[np.bool_]
    own_from: Shares
    joint_from: Shares


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Pictures that a policy accepts or flags: a tag's number and a confidence each."""

    tag: Numbers
    confidence: Shares

    def accepted(self, policy: Policy, tags: Sequence[str]) -> NDArray[np.bool_]:
        """Return a mask of the pictures that a policy accepts, ignoring its margin."""
        return self.confidence >= least_by_tag(policy, tags)[self.tag]


def evidence_of(
    answers: Sequence[AuditedAnswer], tags: Sequence[str], bundled: Policy
) -> Evidence:
    """Convert answers to arrays; leave out pictures that no threshold accepts.

    These are the pictures below the margin of the bundled policy, and those that the
    network doubts. A picture that several audits drew counts once, and supports the
    thresholds of each of them.
    """
    numbers = {tag: number for number, tag in enumerate(tags)}
    by_content: dict[str, list[AuditedAnswer]] = {}
    for answer in answers:
        prediction = answer.prediction
        if is_eligible(prediction, bundled.margin) and prediction.tag in numbers:
            by_content.setdefault(answer.digest, []).append(answer)
    draws = list(by_content.values())
    predictions = [same[0].prediction for same in draws]
    return Evidence(
        tags=tuple(tags),
        tag=np.array([numbers[p.tag] for p in predictions], np.int64),
        confidence=np.array([p.confidence for p in predictions], float),
        right=np.array([any(answer.right for answer in same) for same in draws], bool),
        own_from=np.array(
            [
                min(_drawn_from(a, a.prediction.tag, bundled) for a in same)
                for same in draws
            ],
            float,
        ),
        joint_from=np.array(
            [min(_all_drawn_from(a, tags, bundled) for a in same) for same in draws],
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
    # The joint claim is about pictures at or above their tag's own threshold.
    joint = evidence.confidence >= own[evidence.tag]
    tested = _counts(evidence, joint, evidence.joint_from)
    claim = _claim(tested, None, precision, JOINT * doubt)
    claims = [_no_lower_than(claim, float(own.min(initial=1.0)))]
    # Bonferroni: the claims for single tags divide the rest of the doubt.
    share = (1 - JOINT) * doubt / len(evidence.tags)
    for number, tag in enumerate(evidence.tags):
        tested = _counts(evidence, evidence.tag == number, evidence.own_from)
        claims.append(_claim(tested, tag, precision, share))
    return tuple(claims)


def _no_lower_than(claim: Claim, floor: float) -> Claim:
    """Return a joint claim with a threshold of at least `floor`, the least of any tag.

    A lower threshold accepts no more of these tags. But it would accept any picture of
    a tag that is added later.
    """
    if claim.threshold is None or claim.threshold >= floor:
        return claim
    return replace(claim, threshold=floor, least=floor)


def certified_policy(
    claims: Sequence[Claim],
    bundled: Policy,
    uncertified: Policy,
    population: Population,
) -> Policy | None:
    """Return the policy that the claims prove; None if they prove nothing.

    Either the policy of the joint claim, or the thresholds of the certified tags with
    the `uncertified` policy for the other tags. The one that accepts more of the
    population with a proof is chosen. `bundled` is the same as for `certify`.
    """
    tags = [claim.tag for claim in claims if claim.tag is not None]
    candidates: list[tuple[int, Policy]] = []
    if (joint := claims[0].threshold) is not None:
        own = {tag: least for tag, least in bundled.tags.items() if least > joint}
        policy = Policy(joint, bundled.margin, own)
        candidates.append((int(population.accepted(policy, tags).sum()), policy))
    if alone := certified_alone(claims):
        policy = Policy(
            uncertified.threshold, bundled.margin, {**uncertified.tags, **alone}
        )
        proven = np.array([tag in alone for tag in tags])
        accepted = population.accepted(policy, tags) & proven[population.tag]
        candidates.append((int(accepted.sum()), policy))
    if not candidates:
        return None
    _, best = max(candidates, key=lambda candidate: candidate[0])
    return best


def log_capital(right: Numbers, wrong: Numbers, precision: float) -> Shares:
    """Return the logarithm of the capital of a gambler who bets on right answers.

    The gambler starts with 1. After `right` and `wrong` answers, in any order, the
    capital is the mean over `_BETS`, weighted by `_STAKES`, of a likelihood ratio: a
    shop with that error rate against one that just meets `precision`. If the true share
    of right answers is at most `precision`, the capital is a supermartingale.
    """
    allowed = 1 - precision
    gain = np.log((1 - _BETS * allowed) / precision)
    loss = np.log(_BETS)
    logs = np.multiply.outer(right, gain) + np.multiply.outer(wrong, loss)
    top: Shares = logs.max(axis=-1)  # subtracted, so that `exp` cannot overflow
    capital: Shares = top + np.log(np.exp(logs - top[..., None]) @ _STAKES)
    return capital


def answers_needed(right: int, wrong: int, precision: float, doubt: float) -> int:
    """Return how many further answers, all right, reject the hypothesis at `doubt`."""
    # An upper limit: the first bet alone reaches 1/doubt with so many answers.
    gain = log((1 - _BETS[0] * (1 - precision)) / precision)
    price = -log(doubt) - log(_STAKES[0]) - wrong * log(_BETS[0])
    low, high = -1, max(0, ceil(price / gain) - right)
    # The capital grows with each right answer: search the first number that suffices.
    while high - low > 1:
        tried = np.unique(np.linspace(low + 1, high, _AT_ONCE).astype(np.int64))
        capital = log_capital(right + tried, np.full_like(tried, wrong), precision)
        first = int(np.argmax(capital >= -log(doubt)))
        high = int(tried[first])
        low = int(tried[first - 1]) if first else high - 1
    return high


def reachable_precision(claim: Claim, more: int, certainty: float) -> float:
    """Return the highest precision that a joint claim can reach, in hundredths.

    If `more` further answers are all right; 0 if not even one half can be proven.
    """
    doubt = JOINT * (1 - certainty) / len(STARTS)
    wrong = claim.answers - claim.right
    hundredths = (number / 100 for number in range(99, 49, -1))
    return next(
        (p for p in hundredths if answers_needed(claim.right, wrong, p, doubt) <= more),
        0.0,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """The answers of one claim: counts for each threshold of `_GRID`, (99,).

    `answers` are those that are evidence at a threshold, `right` the right ones of
    them. `right_above_start` are the shares of right answers at or above each of
    `STARTS`, of all answers, evidence there or not; None without answers.
    """

    answers: Numbers
    right: Numbers
    right_above_start: tuple[float | None, ...]

    @property
    def wrong(self) -> Numbers:
        """The wrong answers at each threshold, (99,)."""
        return self.answers - self.right


def _counts(
    evidence: Evidence, about: NDArray[np.bool_], drawn_from: Shares
) -> _Counts:
    """Count the answers that `about` selects, (n,), at every threshold."""
    confidence, since = evidence.confidence[about], drawn_from[about]
    right = evidence.right[about]
    # An answer is evidence for a threshold if its picture would be accepted there, and
    # if its audit drew from all pictures that would be.
    counts = (confidence >= _GRID[:, None]) & (since <= _GRID[:, None])
    above = [right[confidence >= start] for start in STARTS]
    return _Counts(
        answers=counts.sum(axis=1),
        right=(counts & right).sum(axis=1),
        right_above_start=tuple(
            float(answers.mean()) if len(answers) else None for answers in above
        ),
    )


def _claim(tested: _Counts, tag: str | None, precision: float, doubt: float) -> Claim:
    """Return the claim with the lowest proven threshold, or with the nearest to proof.

    Without a proof, `needed` says how many further right answers would prove it.
    """
    # Bonferroni: each start spends an equal part of the doubt. Further thresholds of a
    # run cost nothing, as each is tested only after the one before it was rejected.
    share = doubt / len(STARTS)
    rejected = log_capital(tested.right, tested.wrong, precision) >= -log(share)
    starts = [int(np.argmin(np.abs(_GRID - start))) for start in STARTS]
    ends = [_end_of_run(rejected, start) for start in starts]
    proven = [end for end in ends if end is not None]
    if proven:
        at, needed = max(proven), 0  # the grid descends: the largest index is lowest
    else:
        missing = [
            answers_needed(
                int(tested.right[start]), int(tested.wrong[start]), precision, share
            )
            for start in starts
        ]
        nearest = _nearest_start(missing, tested.right_above_start, precision)
        at, needed = starts[nearest], missing[nearest]
    threshold = float(_GRID[at])
    return Claim(
        tag=tag,
        answers=int(tested.answers[at]),
        right=int(tested.right[at]),
        threshold=threshold if proven else None,
        needed=needed,
        least=threshold,
    )


def _nearest_start(
    missing: Sequence[int],
    right_above_start: Sequence[float | None],
    precision: float,
) -> int:
    """Return the number of the start of `STARTS` that is easiest to prove.

    The one that needs the fewest answers; of equals the lowest, which accepts most. A
    start is hopeless if its answers so far are less right than `precision`; this hint
    may use answers that are not a random sample. If all are hopeless, the strictest.
    """
    hopeless = [share is not None and share < precision for share in right_above_start]
    if all(hopeless):
        return 0
    return min(range(len(STARTS)), key=lambda n: (hopeless[n], missing[n], STARTS[n]))


def _end_of_run(rejected: NDArray[np.bool_], start: int) -> int | None:
    """Return the last index of the run of rejected hypotheses that begins at `start`.

    None if the first of them is not rejected.
    """
    if not rejected[start]:
        return None
    not_rejected = np.flatnonzero(~rejected[start:])
    return start + int(not_rejected[0]) - 1 if len(not_rejected) else len(rejected) - 1


def _drawn_from(answer: AuditedAnswer, tag: str, bundled: Policy) -> float:
    """Return the least confidence from which an audit drew all pictures of a tag.

    Infinite if it drew other tags, or with a stricter margin.
    """
    if answer.of_tag not in {None, tag} or answer.drawn_by.margin > bundled.margin:
        return float("inf")
    return answer.drawn_by.least(tag)


def _all_drawn_from(
    answer: AuditedAnswer, tags: Sequence[str], bundled: Policy
) -> float:
    """Return the least joint threshold whose accepted pictures an audit drew from.

    Infinite if it drew one tag only.
    """
    if answer.of_tag is not None:
        return float("inf")
    # Pictures of a tag are accepted from its own threshold or the joint one on,
    # whichever is higher. So a tag drawn from its own threshold on sets no limit.
    starts = [_drawn_from(answer, tag, bundled) for tag in tags]
    own = [bundled.tags.get(tag, 0.0) for tag in tags]
    return max((s for s, o in zip(starts, own, strict=True) if s > o), default=0.0)
