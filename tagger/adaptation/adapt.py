"""From a person's answers to a better network, or to the reason why there is none.

Puts adapting, calibration and the gate together, and writes the bundle beside the
inventory. TensorFlow is imported by the functions that need it.
"""

import hashlib
import io
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagger.adaptation.coverage import check_coverage
from tagger.adaptation.examples import TrainingExamples, collect_examples
from tagger.adaptation.finetune import (
    FOLDS,
    USUAL,
    OnStep,
    Schedule,
    accuracy_on,
    adapt_in_folds,
)
from tagger.adaptation.gate import ModelOutputs, Promotion, evaluate_promotion
from tagger.bundles.adapted import adapted_folder, bundle_in_force, next_name
from tagger.bundles.bundle import (
    HELD_BACK_FILE,
    KNOWN_FIGURE,
    REHEARSAL_FILE,
    Bundle,
    default_bundle,
)
from tagger.bundles.classifier import BundleClassifier
from tagger.datasets.records import LabelledImages, numbered
from tagger.errors import DataError, ModelError, TrainingError
from tagger.inventory.records import LEAST_ANSWERS, Reviews
from tagger.labels import reading
from tagger.policy.calibration import (
    TARGET_PRECISION,
    at_temperature,
    choose_policy,
    choose_temperature,
)
from tagger.policy.decide import predict
from tagger.records import Adaptation, Outcome, Policy
from tagger.training import replay
from tagger.training.architectures import probabilities
from tagger.training.checkpoint import Checkpoint, start_keras
from tagger.training.replay import Rehearsal
from tagger.training.surgery import calibrated
from tagger.training.train import write_bundle


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What is learnt from: a Keras network for everybody, its labels and its policy."""

    network: Any
    labels: tuple[str, ...]
    policy: Policy


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network that learnt from answers, calibrated, and what the gate says of it.

    `share` is how far it went of the way to what was learnt (`adapting.Adapted`).
    `held_back` are the probabilities, (n, labels), of the answers from networks that
    did not learn from them, calibrated too.
    """

    network: Any
    labels: tuple[str, ...]
    policy: Policy
    temperature: float
    share: float
    held_back: NDArray[np.float32]
    judgement: Promotion


def evaluate_candidate(  # noqa: PLR0913  what is learnt, how, and who is told
    start: Start,
    answers: LabelledImages,
    known: Rehearsal,
    *,
    labels: Sequence[str] = (),
    active: ModelOutputs | None = None,
    learnt: NDArray[np.str_] | None = None,
    sampled: NDArray[np.bool_] | None = None,
    schedule: Schedule = USUAL,
    folds: int = FOLDS,
    seed: int = 1,
    on_step: OnStep = lambda *_: None,
    kept: Callable[[int], Checkpoint] | None = None,
) -> Candidate:
    """Adapt a network to answers, and judge it beside the one in force.

    It starts from a network for everybody each time and takes all answers there are, so
    that nothing drifts from one adaptation to the next. `labels` are its own, and
    perhaps more, which it then learns; by default its own. `active` is what the network
    in force said of the answers before it learnt from them; by default it is the one
    that is started from. `learnt` are the names of the answers that it did learn from:
    newer answers of the same groups are no test of it. Only the
    `sampled` answers, (n,), all by default, judge it, and set its temperature and its
    policy: corrections alone would show nothing of what was right. What was
    forgotten is measured against the network that is started from, always: half a point
    is all that a shop may ever cost. Raises as `adapting.adapt_in_folds`.
    """
    labels = tuple(labels or start.labels)
    adapted = adapt_in_folds(
        start.network,
        answers,
        known,
        labels,
        schedule=schedule,
        folds=folds,
        seed=seed,
        on_step=on_step,
        kept=kept,
    )
    truth = numbered(answers, labels)
    speak = np.ones(len(answers), np.bool_) if sampled is None else sampled
    temperature = choose_temperature(adapted.held_back[speak], truth[speak])
    rows = at_temperature(adapted.held_back, temperature)
    network = calibrated(adapted.network, temperature)
    former = active or ModelOutputs(
        probabilities(start.network, answers.images), start.labels
    )
    fair = unknown_to_both(answers, learnt) & speak
    remembered = (
        accuracy_on(start.network, start.labels, known.test),
        accuracy_on(network, labels, known.test),
    )
    return Candidate(
        network,
        labels,
        _careful(rows[speak], truth[speak], labels, start.policy),
        temperature,
        adapted.share,
        rows,
        evaluate_promotion(
            ModelOutputs(former.rows[fair], former.labels),
            ModelOutputs(rows[fair], labels),
            answers.labels[fair],
            answers.groups[fair],
            remembered,
        ),
    )


def unknown_to_both(
    answers: LabelledImages, learnt: NDArray[np.str_] | None
) -> NDArray[np.bool_]:
    """Return which answers, (n,), neither network knows a twin of.

    Those that the network in force learnt from are judged by what was said without
    them, and without their whole group. What came later counts where its group is new.
    """
    if learnt is None:
        return np.ones(len(answers), np.bool_)
    old = np.isin(answers.names, learnt)
    return np.asarray(old | ~np.isin(answers.groups, answers.groups[old]))


@dataclass(frozen=True, slots=True, eq=False)
class AdaptationResult:
    """An attempt, what it learnt from, and the row for the inventory.

    `active` is what the network in force had said of the answers.
    """

    candidate: Candidate
    examples: TrainingExamples
    active: ModelOutputs
    row: Adaptation


def adapt_inventory(
    database: Path,
    reviews: Reviews,
    adaptations: Sequence[Adaptation],
    *,
    dry_run: bool = False,
    on_step: OnStep = lambda *_: None,
) -> AdaptationResult:
    """Learn from an inventory's reviews; write the candidate's bundle beside it.

    The caller records the row, and only then is the bundle in force, or refused. With
    `dry_run` no bundle is written. A training that was killed goes on from the last
    fold that was finished, where the answers are the same. Raises DataError where there
    is too little to learn from, or all of it is from one end of the queue; ModelError
    where a bundle cannot be used; TrainingError where the loss is no number any more,
    or the bundle cannot be written. Then everything is as it was.
    """
    begun = time.monotonic()
    start = default_bundle()
    rehearsed = replay.read(start)
    active = bundle_in_force(database, adaptations)
    found = collect_examples(reviews, start.card.labels)
    said, learnt = _said_before(active, found.answers, reviews.kind_tags)
    waiting = reviews.waiting.get(active.card.digest, ())
    sampled = ~np.isin(found.answers.names, list(reviews.corrected))
    _check_sampled(sampled)
    queued = sampled & ~np.isin(found.answers.names, list(reviews.audited))
    check_coverage(_confidences(said)[queued], np.array(waiting, float))
    own = adapted_folder(database)
    name = next_name(database, adaptations, start.card.name)
    state = own / f".training-{_key(start, found)}"
    try:
        _make_room(own, state)
        made = evaluate_candidate(
            Start(_loaded(start), start.card.labels, start.card.policy),
            found.answers,
            rehearsed,
            labels=found.labels,
            active=said,
            learnt=learnt,
            sampled=sampled,
            schedule=USUAL,
            on_step=on_step,
            kept=lambda fold: Checkpoint(state / f"fold-{fold}", state.name),
        )
        seconds = time.monotonic() - begun
        figures = _figures(made, found, seconds)
        digest = ""
        if not dry_run:
            digest = _write(own / name, made, found, start, figures).card.digest
        shutil.rmtree(state)
    except OSError as error:
        raise TrainingError(
            f"cannot write to {own}: {error.strerror or error}; nothing has changed"
        ) from error
    return AdaptationResult(
        made,
        found,
        said,
        Adaptation(
            id=0,
            at=datetime.now(UTC),
            outcome=Outcome.PROMOTED if made.judgement.promoted else Outcome.REFUSED,
            bundle=name,
            beside=True,
            digest=digest,
            parent_digest=active.card.digest,
            decisions=len(found.answers),
            newest_decision_id=found.newest_decision_id,
            figures=figures,
            reason=made.judgement.reason,
        ),
    )


def _check_sampled(sampled: NDArray[np.bool_]) -> None:
    """Raise DataError where too few answers tell what was right, and not only wrong.

    Of 123 corrections in a spreadsheet a network was "right in 0.000 before, in 0.618
    after", and accepted next to nothing from then on.
    """
    if not sampled.all() and int(sampled.sum()) < LEAST_ANSWERS:
        corrections = int((~sampled).sum())
        raise DataError(
            f"{corrections} of {len(sampled)} answers are corrections from "
            "spreadsheets, which do not tell what was right: a network is judged by at "
            f"least {LEAST_ANSWERS} answers to 'tagger review --order random'"
        )


def _key(start: Bundle, found: TrainingExamples) -> str:
    """Return what tells this training from others: an interrupted one goes on."""
    told = repr((start.card.digest, found.labels, USUAL, FOLDS)).encode()
    answers = found.answers
    for array in (answers.names, answers.labels, answers.groups, answers.images):
        told += hashlib.sha256(array.tobytes()).digest()
    return hashlib.sha256(told).hexdigest()[:16]


def _make_room(own: Path, state: Path) -> None:
    """Make the folders, and drop what another training left that never ended."""
    own.mkdir(parents=True, exist_ok=True)
    for left in own.glob(".training-*"):
        if left != state:
            shutil.rmtree(left)
    state.mkdir(exist_ok=True)


def _loaded(bundle: Bundle) -> Any:  # noqa: ANN401
    keras = start_keras(seed=1)
    try:
        return keras.saving.load_model(bundle.keras_file, compile=False)
    except (OSError, TypeError, ValueError) as error:
        raise ModelError(f"{bundle.keras_file} cannot be loaded: {error}") from error


def _said_before(
    active: Bundle, answers: LabelledImages, kind_tags: Mapping[str, str]
) -> tuple[ModelOutputs, NDArray[np.str_] | None]:
    """Return what the network in force said of answers before it learnt from them.

    A bundle that learnt from answers keeps what was said of them by networks that had
    not: to ask it again would be to ask for what it was told. Returns the digests of
    these too, None where it has learnt from none.
    """
    learnt = None
    rows = BundleClassifier(active).classify(answers.images)
    if HELD_BACK_FILE in active.card.files:
        with np.load(active.folder / HELD_BACK_FILE, allow_pickle=False) as content:
            held_back = dict(
                zip(content["digests"].tolist(), content["rows"], strict=True)
            )
        learnt = np.array(list(held_back), np.str_)
        for number, digest in enumerate(answers.names.tolist()):
            rows[number] = held_back.get(digest, rows[number])
    read = reading(active.card.labels, kind_tags)  # the network as the shop has it
    return ModelOutputs(np.asarray(read.applied(rows), np.float32), read.labels), learnt


def _confidences(said: ModelOutputs) -> NDArray[np.float64]:
    """Return the confidence in each picture's tag, (n,), in [0, 1]."""
    return np.array([one.confidence for one in predict(said.rows, said.labels)], float)


def _write(
    folder: Path,
    made: Candidate,
    found: TrainingExamples,
    start: Bundle,
    figures: Mapping[str, Any],
) -> Bundle:
    stream = io.BytesIO()
    np.savez_compressed(stream, digests=found.answers.names, rows=made.held_back)
    return write_bundle(
        made.network,
        folder,
        labels=made.labels,
        policy=made.policy,
        metrics={
            KNOWN_FIGURE: made.judgement.known[1],
            "held_back_answers_accuracy": made.judgement.comparison.accuracy.second,
        },
        training={
            "data": f"{start.card.name}, and {len(found.answers):,} answers",
            "arch": start.card.training.get("arch", "a network"),
            "parameters": made.network.count_params(),
            "adapted_from": start.card.digest,
            "temperature": made.temperature,
            "share": made.share,
            "gate": figures,
        },
        more={
            REHEARSAL_FILE: (start.folder / REHEARSAL_FILE).read_bytes(),
            HELD_BACK_FILE: stream.getvalue(),
        },
        prior=_prior(start.card.prior, len(made.labels)),
    )


def _prior(known: tuple[float, ...], labels: int) -> tuple[float, ...]:
    """Return the prior of a network with more labels; none where none was known.

    A new label is as probable as the labels are in the mean.
    """
    if not known:
        return ()
    grown = [*known, *[1 / len(known)] * (labels - len(known))]
    return tuple(share / sum(grown) for share in grown)


def _figures(
    made: Candidate, found: TrainingExamples, seconds: float
) -> dict[str, Any]:
    """Return what was measured, as JSON holds it."""
    judged = made.judgement
    compared = judged.comparison
    return {
        "accuracy": asdict(compared.accuracy),
        "coverage": asdict(compared.coverage),
        "precision": TARGET_PRECISION,
        "known": list(judged.known),
        "items": compared.items,
        "groups": compared.groups,
        "contradicted": found.contradicted,
        "gone": found.gone,
        "waiting": dict(found.waiting),
        "labels": list(made.labels),
        "seconds": round(seconds, 1),
    }


def _careful(
    rows: NDArray[np.float32],
    truth: NDArray[np.int64],
    labels: Sequence[str],
    former: Policy,
) -> Policy:
    """Return the policy that answers ask for, or where they are few, the former.

    The answers are harder than the shop, and from all of it (`sampling`): what is
    precise enough on them is more precise on the rest.
    """
    found = choose_policy(rows, truth, labels)
    return found if found.threshold < 1 else former
