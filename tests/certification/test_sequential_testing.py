"""The promise of a certificate: laws of its parts, and a thousand simulated shops."""

from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagger.certification.sequential_testing import (
    STARTS,
    Evidence,
    Population,
    answers_needed,
    certified_policy,
    certify,
    evidence_of,
    log_capital,
)
from tagger.inventory.records import AuditedAnswer
from tagger.records import Policy, Prediction

TAGS = ("Shirt", "Coat", "Dress", "Bag")
_NUMBERS = count()
BUNDLED = Policy(0.96, tags={"Coat": 1.0, "Dress": 0.97})
PRECISION, CERTAINTY = 0.97, 0.9


def evidence(
    tag: list[int],
    confidence: list[float],
    right: list[bool],
    drawn_from: float = 0.0,
    joint_from: float | None = None,
) -> Evidence:
    since = np.full(len(tag), drawn_from)
    joint = since if joint_from is None else np.full(len(tag), joint_from)
    return Evidence(
        TAGS,
        np.array(tag, np.int64),
        np.array(confidence, float),
        np.array(right, bool),
        since,
        joint,
    )


def answer(
    tag: str,
    *,
    margin: float = 0.9,
    other: float = 0.0,
    drawn_by: Policy = BUNDLED,
    of_tag: str | None = None,
    digest: str = "",
) -> AuditedAnswer:
    digest = digest or str(next(_NUMBERS))
    said = Prediction(tag, 0.98, "Bag", margin, (), other)
    return AuditedAnswer(digest, said, drawn_by, of_tag, right=True)


@given(
    st.integers(0, 400),
    st.integers(0, 40),
    st.floats(0.6, 0.99),
    st.floats(0.001, 0.4),
)
def test_the_answers_needed_are_the_fewest_that_suffice(
    right: int, wrong: int, precision: float, doubt: float
) -> None:
    needed = answers_needed(right, wrong, precision, doubt)

    def suffices(more: int) -> bool:
        capital = log_capital(np.array([right + more]), np.array([wrong]), precision)
        return bool(capital[0] >= -np.log(doubt))

    assert suffices(needed)
    assert needed == 0 or not suffices(needed - 1)


@given(st.floats(0.5, 0.99), st.floats(0.0, 1.0))
def test_the_capital_does_not_grow_on_average_where_too_few_are_right(
    precision: float, part: float
) -> None:
    share = precision * part
    one, none = np.array([1]), np.array([0])
    after_right = np.exp(log_capital(one, none, precision)[0])
    after_wrong = np.exp(log_capital(none, one, precision)[0])

    assert share * after_right + (1 - share) * after_wrong <= 1 + 1e-9


def test_no_answers_prove_nothing() -> None:
    claims = certify(evidence([], [], []), BUNDLED, PRECISION, CERTAINTY)
    population = Population(np.array([0]), np.array([0.99]))

    assert [claim.tag for claim in claims] == [None, *TAGS]
    assert all(claim.threshold is None for claim in claims)
    assert claims[0].needed < claims[1].needed
    assert certified_policy(claims, BUNDLED, BUNDLED, population) is None


def test_as_many_right_answers_as_are_needed_are_enough() -> None:
    nothing = certify(evidence([], [], []), BUNDLED, PRECISION, CERTAINTY)[0]

    def threshold(count: int) -> float | None:
        seen = evidence([0] * count, [0.999] * count, [True] * count)
        return certify(seen, BUNDLED, PRECISION, CERTAINTY)[0].threshold

    assert threshold(nothing.needed - 1) is None
    # All the pictures are at the very top, and none below speaks against going down.
    assert threshold(nothing.needed) == pytest.approx(0.01)


def test_answers_say_nothing_of_what_their_audit_did_not_draw_from() -> None:
    seen = evidence([0] * 500, [0.99] * 500, [True] * 500, drawn_from=0.9)

    assert certify(seen, BUNDLED, PRECISION, CERTAINTY)[0].threshold == 0.9


def test_the_joint_claim_takes_no_tag_below_its_own_threshold() -> None:
    # Coats are never accepted alone by the network's own policy; here all are wrong.
    seen = evidence(
        [0] * 300 + [1] * 300, [0.99] * 600, [True] * 300 + [False] * 300, 0.5
    )
    claims = certify(seen, BUNDLED, PRECISION, CERTAINTY)
    population = Population(np.array([0, 1]), np.array([0.99, 0.99]))

    policy = certified_policy(claims, BUNDLED, BUNDLED, population)

    assert policy == Policy(0.5, tags={"Coat": 1.0, "Dress": 0.97})


def test_a_good_tag_is_certified_alone_where_all_together_are_not() -> None:
    seen = evidence(
        [0] * 400 + [3] * 400, [0.99] * 800, [True] * 400 + [True, False] * 200, 0.6
    )
    careful = Policy(0.99, tags={"Bag": 1.0})
    claims = certify(seen, BUNDLED, PRECISION, CERTAINTY)
    population = Population(np.array([0, 3]), np.array([0.7, 0.995]))

    policy = certified_policy(claims, BUNDLED, careful, population)

    assert [claim.threshold for claim in claims] == [None, 0.6, None, None, None]
    assert policy == Policy(0.99, tags={"Bag": 1.0, "Shirt": 0.6})


def test_the_rest_after_a_good_tag_is_never_certified_by_it() -> None:
    # Shirts carry the joint claim; alone they would be certified much lower. To lower
    # them within the joint policy would leave the others short of their share.
    seen = evidence(
        [0] * 900 + [3] * 100,
        [0.99] * 900 + [0.99] * 100,
        [True] * 900 + [True] * 93 + [False] * 7,
        0.95,
    )
    more = evidence([0] * 900, [0.99] * 900, [True] * 900, 0.4, np.inf)
    both = Evidence(
        TAGS,
        *(
            np.concatenate([getattr(seen, name), getattr(more, name)])
            for name in ("tag", "confidence", "right", "own_from", "joint_from")
        ),
    )
    claims = certify(both, BUNDLED, PRECISION, CERTAINTY)
    population = Population(np.array([3] * 10), np.full(10, 0.99))

    policy = certified_policy(claims, BUNDLED, BUNDLED, population)

    assert claims[0].threshold == 0.95
    assert claims[1].threshold == 0.4
    assert policy is not None
    assert policy.least("Shirt") == 0.95


def test_evidence_keeps_what_a_threshold_can_accept() -> None:
    found = evidence_of(
        [
            answer("Shirt"),
            answer("Shirt", other=0.99),
            answer("Shirt", margin=0.05),
            answer("Shirt", drawn_by=Policy(0.5, 0.1), of_tag="Shirt"),
            answer("Shirt", drawn_by=Policy(0.5, 0.5)),
            answer("Dress", drawn_by=Policy(0.5, 0.1)),
        ],
        TAGS,
        Policy(0.96, 0.1, BUNDLED.tags),
    )

    assert found.tag.tolist() == [0, 0, 0, 2]
    assert found.own_from.tolist() == [0.96, 0.5, np.inf, 0.5]
    assert found.joint_from.tolist() == [0.96, np.inf, np.inf, 0.5]


def test_what_several_audits_drew_counts_once_as_drawn_by_each() -> None:
    found = evidence_of(
        [
            answer("Shirt", digest="a"),
            answer("Shirt", digest="a", drawn_by=Policy(0.5), of_tag="Shirt"),
            answer("Shirt", digest="b"),
            answer("Shirt", digest="b", drawn_by=Policy(0.8)),
        ],
        TAGS,
        BUNDLED,
    )

    assert found.own_from.tolist() == [0.5, 0.8]
    assert found.joint_from.tolist() == [0.96, 0.8]


@dataclass
class Shop:
    """Pictures with tag, confidence and whether the tag is right; none drawn yet."""

    tag: NDArray[np.int64]
    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]

    def __post_init__(self) -> None:
        self.drawn = np.zeros(len(self.tag), bool)
        self.own_from = np.full(len(self.tag), np.inf)
        self.joint_from = np.full(len(self.tag), np.inf)

    def evidence(self) -> Evidence:
        some = self.drawn
        return Evidence(
            TAGS,
            self.tag[some],
            self.confidence[some],
            self.right[some],
            self.own_from[some],
            self.joint_from[some],
        )


def open_shop(chance: np.random.Generator, kind: str) -> Shop:
    """Make a shop, thin or large, of an unequal mix of tags.

    Its network may be nearly always right where it is sure, right as often as it says,
    wrong now and then however sure, wrong where it is surest, or just short of the
    target everywhere: the shop that breaks most promises.
    """
    size = int(chance.choice([40, 300, 1500, 6000]))
    tag = chance.choice(len(TAGS), size, p=chance.dirichlet(np.ones(len(TAGS))))
    confidence = 1 - chance.beta(chance.uniform(0.2, 1), chance.uniform(2, 8), size)
    share = {
        "good": 0.999 - chance.uniform(0.02, 0.2) * (1 - confidence),
        "as it says": confidence,
        "by tag": chance.uniform(0.9, 1, len(TAGS))[tag],
        "too sure": np.where(confidence > chance.uniform(0.9, 0.99), 0.95, confidence),
        "short": np.full(size, chance.uniform(0.955, 0.9699)),
    }[kind]
    right = chance.random(size) < share
    return Shop(tag, confidence, right)


def audit(shop: Shop, chance: np.random.Generator) -> None:
    """Draw from what the policy accepts, from a confidence on, or from one tag.

    What was drawn before may be drawn again, until there are enough new ones.
    """
    kind = chance.integers(4)
    of_tag = int(chance.integers(len(TAGS))) if kind == 0 else None
    least = float(chance.choice([0.3, 0.5, 0.8, 0.9]))
    drawn_by = BUNDLED if kind == 1 else Policy(least)
    floors = np.array([drawn_by.least(tag) for tag in TAGS])
    may = shop.confidence >= floors[shop.tag]
    if of_tag is not None:
        may &= shop.tag == of_tag
    shuffled = chance.permutation(np.flatnonzero(may))
    size = int(chance.choice([20, 150, 500]))
    drawn = shuffled[np.cumsum(~shop.drawn[shuffled]) <= size]
    shop.drawn[drawn] = True
    own_from = floors[shop.tag[drawn]]
    shop.own_from[drawn] = np.minimum(shop.own_from[drawn], own_from)
    if of_tag is None:
        own = np.array([BUNDLED.tags.get(tag, 0.0) for tag in TAGS])
        joint_from = max(floors[floors > own], default=0.0)
        shop.joint_from[drawn] = np.minimum(shop.joint_from[drawn], joint_from)


def promises_kept(shop: Shop, looks: int, chance: np.random.Generator) -> bool | None:
    """Audit and certify again and again; None where nothing was ever certified.

    The promise is broken where, after any of the looks, the certified policy accepts
    too much that is wrong of all that there is, of all tags or of those certified.
    """
    population = Population(shop.tag, shop.confidence)
    kept: bool | None = None
    for _ in range(looks):
        audit(shop, chance)
        claims = certify(shop.evidence(), BUNDLED, PRECISION, CERTAINTY)
        policy = certified_policy(claims, BUNDLED, BUNDLED, population)
        if policy is None:
            continue
        accepted = population.accepted(policy, TAGS)
        groups = [accepted]
        if claims[0].threshold != policy.threshold:
            certified = [n for n, c in enumerate(claims[1:]) if c.threshold is not None]
            groups = [accepted & (shop.tag == number) for number in certified]
        shares = [shop.right[group].mean() for group in groups if group.any()]
        kept = (kept is not False) and all(share >= PRECISION for share in shares)
    return kept


def test_the_promise_is_broken_in_at_most_a_tenth_of_a_thousand_shops() -> None:
    chance = np.random.default_rng(20261122)
    kinds = ("good", "as it says", "by tag", "too sure", "short")
    kept: dict[str, list[bool | None]] = {kind: [] for kind in kinds}
    for number in range(1000):
        kind = kinds[number % len(kinds)]
        shop = open_shop(chance, kind)
        kept[kind].append(promises_kept(shop, int(chance.integers(1, 6)), chance))

    for kind, found in kept.items():
        # Of each kind of shop, and not only of the mixture of this test.
        assert sum(one is False for one in found) <= (1 - CERTAINTY) * len(found), kind
    certified = {k: sum(one is not None for one in f) for k, f in kept.items()}
    assert certified["good"] >= 25  # it is no promise that is never made
    assert sum(certified.values()) >= 50


def test_looking_after_every_answer_breaks_no_more_promises() -> None:
    # 2,000 shops that are just short of the target, looked at after each of 1,500
    # answers: where a Clopper-Pearson bound, certain once, fails two shops in five.
    chance = np.random.default_rng(7)
    answers = (chance.random((2000, 1500)) < PRECISION - 1e-6).astype(np.int64)
    right = np.cumsum(answers, axis=1)
    wrong = np.arange(1, 1501) - right

    ever = (log_capital(right, wrong, PRECISION) >= -np.log(1 - CERTAINTY)).any(axis=1)

    assert 0.02 < ever.mean() <= 1 - CERTAINTY


def test_the_tests_start_where_a_network_is_strict_and_go_down() -> None:
    assert list(STARTS) == sorted(STARTS, reverse=True)
    # Right at the very top, wrong below: certified from the top as far as it goes.
    seen = evidence(
        [0] * 800, [0.995] * 400 + [0.97] * 400, [True] * 400 + [False] * 400
    )
    claim = certify(seen, BUNDLED, PRECISION, CERTAINTY)[0]

    assert claim.threshold == 0.98
    assert (claim.answers, claim.right) == (400, 400)
