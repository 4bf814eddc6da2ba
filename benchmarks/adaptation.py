"""How fast a network learns a shop that it has never seen, from answers in its queue.

    python -m benchmarks.adaptation NETWORK PHOTOGRAPHS --fashion FOLDER
        [--set NAME ...] [--rehearse FOLDER] [--order random|confidence|margin]
        [--answers 50 100 200 400 800] [--audits 0.1] [--certify 0] [--seed 1]
        [-o curve.csv] [--picture curve.png]

NETWORK is a bundle, or a Keras file of the residual network, trained without the
photographs. PHOTOGRAPHS is a folder with a labels.csv, which tells the truth; of one
with a column `set`, `--set` chooses those whose set begins so. FOLDER holds the IDX
files of Fashion-MNIST: some of its training arrays are rehearsed, and its test arrays
measure what is forgotten. `--rehearse` is a folder of photographs to rehearse; it must
not be of this shop.

Twins, which the gate must not ask about on both sides, are those that the product takes
for such. A reviewer answers what the network in force flags, by lot, as the queue has
it, or in another order, and a share of audits, drawn from what it accepts. What the
tags do not decide is skipped. At each number of answers the product learns as `tagger
model adapt` does, its gate decides, and the network then in force is measured on all
photographs that were never answered, and makes the next queue. A line is written as it
is known:

accuracy (of the items), coverage97 (share of the items accepted at the threshold from
which on 97 % of what is accepted is right, chosen on these very photographs), coverage
and precision (under the policy that is in force), known (accuracy on Fashion-MNIST's
test arrays), audited, certified (how many tags `tagger certify` certifies by the
audits of the network in force, and as many more of what it is at least 0.95 sure of as
`--certify` says, which it does not learn from), its coverage and precision in truth,
seconds, promoted and reason.
"""

import argparse
import csv
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import curves
from tagger.adaptation.adapt import Start, evaluate_candidate
from tagger.adaptation.coverage import check_coverage
from tagger.adaptation.examples import groups_of
from tagger.adaptation.gate import ModelOutputs, outcomes
from tagger.bundles.bundle import CARD_FILE, find_bundle
from tagger.certification.sequential_testing import (
    Population,
    certified_policy,
    certify,
    evidence_of,
)
from tagger.datasets.load import load
from tagger.datasets.records import LabelledImages
from tagger.errors import DataError
from tagger.evaluation.measures import coverage_at, coverage_curve
from tagger.imaging.prepare import upright
from tagger.inventory.records import AuditedAnswer, Reviewed
from tagger.labels import tags_of
from tagger.policy.accept import accepts
from tagger.policy.calibration import CERTAINTY, TARGET_PRECISION
from tagger.policy.decide import decide, predict
from tagger.records import AMBIGUOUS, Policy
from tagger.review.groups import HASHED_SIDE, fingerprint
from tagger.training.architectures import ARCHITECTURES, probabilities
from tagger.training.mixture import LABELS
from tagger.training.replay import Replay
from tagger.training.surgery import both_ways

ANSWERS: Final = (50, 100, 200, 400, 800)
REHEARSED_ARRAYS, REHEARSED_PHOTOGRAPHS, TESTED = 1400, 300, 2000
CAREFUL: Final = Policy(0.96, tags={"Pullover": 1.0, "Dress": 0.97, "Coat": 0.97})
"""Of the bundle `shops`: what a bare Keras file is used with."""

LEAST: Final = 0.95
"""From which confidence on `--certify` has audited: the middle one of those that a test
of `tagger.certification.sequential_testing` starts from."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """What decides at some moment, what it says of all photographs, and its past.

    `audited` are the photographs that were drawn by lot from what it accepts.
    """

    policy: Policy
    rows: NDArray[np.float32]
    held_back: dict[int, NDArray[np.float32]]
    known: float
    audited: tuple[int, ...] = ()


def main() -> None:
    """Learn the shop of the command line; print and write the curve."""
    wanted = _parser().parse_args()
    start, (shop, rehearsal) = _start(wanted.network), _pictures(wanted)
    lines = curve(start, shop, rehearsal, wanted)
    with wanted.output.open("w", encoding="utf-8", newline="") as stream:
        writer: Any = None
        for line in lines:
            if writer is None:
                writer = csv.DictWriter(stream, line)
                writer.writeheader()
            writer.writerow(line)
            stream.flush()
            print(" ".join(f"{key}={value}" for key, value in line.items()), flush=True)
    if wanted.picture:
        curves.write(wanted.picture, [wanted.output])


def curve(
    start: Start, shop: LabelledImages, rehearsal: Replay, wanted: argparse.Namespace
) -> Iterator[dict[str, object]]:
    """Yield a line of measures at no answers, and at each number of them."""
    chance = np.random.default_rng(wanted.seed)
    rows = probabilities(start.network, shop.images)
    known = outcomes(
        ModelOutputs(probabilities(start.network, rehearsal.test.images), start.labels),
        rehearsal.test.labels,
    )
    force = Active(start.policy, rows, {}, float(known.right.mean()))
    answered = np.empty(0, np.int64)
    line = Lines(shop, start, wanted)
    yield line(force, answered) | {"promoted": "", "reason": ""}
    for number in wanted.answers:
        begun = time.perf_counter()
        asked, audited = _ask(shop, start, force, answered, number, wanted, chance)
        answered = np.concatenate([answered, asked, audited])
        force = replace(force, audited=(*force.audited, *audited.tolist()))
        if len(answered) < number:
            return
        try:
            check_coverage(*_flagged_with(start, force, answered))
            found = evaluate_candidate(
                start,
                shop.take(answered),
                rehearsal,
                active=ModelOutputs(_before(force, answered), start.labels),
                learnt=shop.names[list(force.held_back)] if force.held_back else None,
                seed=wanted.seed,
            )
        except DataError as error:
            yield line(force, answered) | {
                "promoted": False,
                "reason": str(error),
            }
            continue
        seconds = time.perf_counter() - begun
        if found.judgement.promoted:
            force = Active(
                found.policy,
                probabilities(found.network, shop.images),
                dict(zip(answered.tolist(), found.held_back, strict=True)),
                found.judgement.known[1],
            )
        yield line(force, answered) | {
            "promoted": found.judgement.promoted,
            "reason": found.judgement.reason,
            "seconds": round(seconds),
        }


def _ask(  # noqa: PLR0913, PLR0917  the state of a review
    shop: LabelledImages,
    start: Start,
    force: Active,
    answered: Numbers,
    number: int,
    wanted: argparse.Namespace,
    chance: np.random.Generator,
) -> tuple[Numbers, Numbers]:
    """Return what the reviewer answers to come to so many: the queue's, and audits."""
    said = predict(force.rows, start.labels)
    flagged = np.array([decide(one, force.policy).flagged for one in said])
    left = np.setdiff1d(np.arange(len(shop)), answered)
    lot = dict(zip(left.tolist(), chance.permutation(len(left)).tolist(), strict=True))
    keys = {
        "confidence": lambda n: (said[n].confidence, n),
        "margin": lambda n: (said[n].margin, n),
        "random": lambda n: lot[n],
    }
    queue = sorted(left[flagged[left]].tolist(), key=keys[wanted.order])
    accepted = chance.permutation(left[~flagged[left]]).tolist()
    audits = min(round(wanted.audits * (number - len(answered))), len(accepted))
    asked = queue[: number - len(answered) - audits]
    return np.array(asked, np.int64), np.array(accepted[:audits], np.int64)


def _before(force: Active, answered: Numbers) -> NDArray[np.float32]:
    """Return what the network in force said before it learnt from the answers."""
    return np.stack([force.held_back.get(n, force.rows[n]) for n in answered.tolist()])


def _flagged_with(
    start: Start, force: Active, answered: Numbers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the confidences in what is answered, and in what waits."""
    rest = np.delete(force.rows, answered, axis=0)
    waiting = [
        one for one in predict(rest, start.labels) if decide(one, force.policy).flagged
    ]
    before = predict(_before(force, answered), start.labels)
    asked, left = (np.array([one.confidence for one in x]) for x in (before, waiting))
    return asked, left


@dataclass(frozen=True, slots=True)
class Lines:
    """Measures what is in force on the photographs that nobody answered."""

    shop: LabelledImages
    start: Start
    wanted: argparse.Namespace

    def __call__(self, force: Active, answered: Numbers) -> dict[str, object]:
        """Return the columns of a line; `answered` are left out of all of them."""
        rest = np.setdiff1d(np.arange(len(self.shop)), answered)
        rows, truth = force.rows[rest], self.shop.labels[rest]
        found = outcomes(ModelOutputs(rows, self.start.labels), truth)
        coverage, precision = self._measured(force, force.policy, rest)
        figures = {
            "accuracy": found.right[found.item].mean(),
            "coverage97": coverage_at(coverage_curve(found), TARGET_PRECISION)[0],
            "coverage": coverage,
            "precision": precision,
            "known": force.known,
        }
        told = {name: f"{value:.3f}" for name, value in figures.items()}
        certified = self._certified(force, rest)
        return {"answers": len(answered), "rest": len(rest), **told, **certified} | {
            "seconds": 0
        }

    def _certified(self, force: Active, rest: Numbers) -> dict[str, object]:
        """Certify by the audits so far, and by more; tell how true that is."""
        tags = tags_of(self.start.labels)
        chance = np.random.default_rng(self.wanted.seed)
        said = predict(force.rows, self.start.labels)
        sure = [n for n in rest.tolist() if said[n].confidence >= LEAST]
        more = chance.permutation(np.array(sure, np.int64))[: self.wanted.certify]
        drawn = [(n, force.policy) for n in force.audited]
        drawn += [(n, Policy(LEAST, force.policy.margin)) for n in more.tolist()]
        answers = [
            AuditedAnswer(str(n), said[n], by, None, said[n].tag == self.shop.labels[n])
            for n, by in drawn
        ]
        evidence = evidence_of(answers, tags, force.policy)
        claims = certify(evidence, force.policy, TARGET_PRECISION, CERTAINTY)
        left = np.setdiff1d(rest, more)
        population = Population(
            np.array([tags.index(said[n].tag) for n in left.tolist()], np.int64),
            np.array([said[n].confidence for n in left.tolist()], float),
        )
        policy = certified_policy(claims, force.policy, force.policy, population)
        told = {"audited": len(drawn), "certified": 0}
        if policy is None:
            return told | {"certified_coverage": "", "certified_precision": ""}
        joint = claims[0].threshold == policy.threshold
        covered = [c.tag for c in claims[1:] if joint or c.threshold is not None]
        coverage, precision = self._measured(force, policy, left, covered)
        return told | {
            "certified": len(covered),
            "certified_coverage": f"{coverage:.3f}",
            "certified_precision": f"{precision:.3f}",
        }

    def _measured(
        self,
        force: Active,
        policy: Policy,
        where: Numbers,
        tags: Collection[str | None] | None = None,
    ) -> tuple[float, float]:
        """Return the share of the items there that a policy accepts, and how right.

        Of some tags alone, where they are given.
        """
        said = predict(force.rows[where], self.start.labels)
        found = outcomes(
            ModelOutputs(force.rows[where], self.start.labels), self.shop.labels[where]
        )
        accepted = np.array(
            [accepts(policy, one) and (not tags or one.tag in tags) for one in said],
            np.bool_,
        )
        share = found.right[accepted].mean() if accepted.any() else np.nan
        return float(accepted[found.item].mean()), float(share)


def _start(name: str) -> Start:
    import keras

    import tagger.training.muon  # noqa: F401, PLC0415  which the file may name

    path = Path(name)
    if path.suffix != ".keras":
        bundle = find_bundle(name)
        card = bundle.card
        network = keras.saving.load_model(bundle.folder / "model.keras", compile=False)
        return Start(network, card.labels, card.policy)
    if (path.parent / CARD_FILE).exists():
        raise SystemExit(f"{path} is a bundle's: name its folder")
    trained = keras.saving.load_model(path)
    network = ARCHITECTURES["residual"].make(len(LABELS))  # in full precision
    network.set_weights(trained.get_weights())
    return Start(both_ways(network), LABELS, CAREFUL)


def _pictures(wanted: argparse.Namespace) -> tuple[LabelledImages, Replay]:
    chance = np.random.default_rng(wanted.seed)
    shop = load(str(wanted.photographs))
    shop = shop.take(shop.labels != AMBIGUOUS)
    if wanted.set:
        shop = shop.take(_in_sets(wanted.photographs, shop, tuple(wanted.set)))
    shop = replace(shop, groups=_alike(shop))
    arrays = _some(load(str(wanted.fashion)), REHEARSED_ARRAYS, chance)
    test = _some(load(str(wanted.fashion), "test"), TESTED, chance)
    photographs = arrays.take(np.zeros(len(arrays), np.bool_))
    if wanted.rehearse:
        others = load(str(wanted.rehearse))
        others = others.take(others.labels != AMBIGUOUS)
        photographs = _some(others, REHEARSED_PHOTOGRAPHS, chance)
    return shop, Replay(arrays, photographs, test)


def _alike(shop: LabelledImages) -> NDArray[np.str_]:
    """Group what the product itself would take for twins."""
    reviewed = []
    for name, label in zip(shop.names.tolist(), shop.labels.tolist(), strict=True):
        bits = fingerprint(upright(Path(name), side=HASHED_SIDE))
        reviewed.append(Reviewed(name, label, None, (name,), bits, ()))
    return groups_of(reviewed, shop.images)


def _in_sets(
    folder: Path, shop: LabelledImages, sets: tuple[str, ...]
) -> NDArray[np.bool_]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as stream:
        set_of = {row["file"]: row["set"] for row in csv.DictReader(stream)}
    names = [Path(str(name)).name for name in shop.names]
    return np.array([set_of[name].startswith(sets) for name in names])


def _some(
    data: LabelledImages, count: int, chance: np.random.Generator
) -> LabelledImages:
    return data.take(chance.permutation(len(data))[:count])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adaptation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("network")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--fashion", type=Path, required=True)
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--rehearse", type=Path)
    parser.add_argument(
        "--order", choices=("random", "confidence", "margin"), default="random"
    )
    parser.add_argument("--answers", type=int, nargs="*", default=ANSWERS)
    parser.add_argument("--audits", type=float, default=0.1)
    parser.add_argument("--certify", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("curve.csv"))
    parser.add_argument("--picture", type=Path, help="draw the curve as PNG, too")
    return parser


if __name__ == "__main__":
    main()
