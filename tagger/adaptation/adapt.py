"""Adapt a network to an inventory's decisions, and judge the candidate.

Combines fine-tuning, calibration and the promotion gate, and writes the bundle beside
the inventory. TensorFlow is imported by the functions that need it.
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
    OnPhase,
    OnStep,
    Schedule,
    accuracy_on,
    adapt_in_folds,
)
from tagger.adaptation.gate import ModelOutputs, Promotion, evaluate_promotion
from tagger.bundles.adapted import (
    adapted_folder,
    bundle_in_force,
    discard,
    forget_refused,
    next_name,
)
from tagger.bundles.bundle import (
    HELD_BACK_FILE,
    KNOWN_FIGURE,
    REHEARSAL_FILE,
    Bundle,
    default_bundle,
)
from tagger.bundles.classifier import BundleClassifier, load_keras_model
from tagger.bundles.keras_types import KerasModel
from tagger.datasets.records import LabelledImages, numbered
from tagger.errors import DataError, InventoryError, TrainingError
from tagger.inventory import Inventory
from tagger.inventory.records import LEAST_ANSWERS
from tagger.labels import reading
from tagger.policy.calibration import (
    TARGET_PRECISION,
    at_temperature,
    choose_policy,
    choose_temperature,
)
from tagger.policy.decide import predict
from tagger.records import Adaptation, Outcome, Policy
from tagger.system.sharing import share_all
from tagger.training import replay
from tagger.training.architectures import probabilities
from tagger.training.checkpoint import Checkpoint, start_keras
from tagger.training.replay import Replay
from tagger.training.surgery import calibrated
from tagger.training.train import write_bundle


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The start of an adaptation: a network for all shops, its labels and policy."""

    network: KerasModel
    labels: tuple[str, ...]
    policy: Policy


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An adapted and calibrated network, and the judgement of the gate.

    `share` is how far its weights moved to the fine-tuned ones (`finetune.Adapted`).
    `held_back` are the probabilities, (n, labels), of the answers by networks that did
    not learn from them, calibrated too.
    """

    network: KerasModel
    labels: tuple[str, ...]
    policy: Policy
    temperature: float
    share: float
    held_back: NDArray[np.float32]
    judgement: Promotion


def evaluate_candidate(  # noqa: PLR0913  the data, the settings and a callback
    start: Start,
    answers: LabelledImages,
    known: Replay,
    *,
    labels: Sequence[str] = (),
    active: ModelOutputs | None = None,
    learnt: NDArray[np.str_] | None = None,
    sampled: NDArray[np.bool_] | None = None,
    schedule: Schedule = USUAL,
    folds: int = FOLDS,
    seed: int = 1,
    on_step: OnStep = lambda *_: None,
    on_phase: OnPhase = lambda _: None,
    kept: Callable[[int], Checkpoint] | None = None,
) -> Candidate:
    """Adapt a network to answers, and compare it with the network in force.

    Every adaptation starts from the network for all shops and takes all answers, so
    that errors do not add up from one adaptation to the next.

    `labels` are those of the start, and perhaps new ones to learn; by default those of
    the start. `active` has the outputs of the network in force for the answers, from
    before it learnt them; by default those of the start. `learnt` are the names of the
    answers that the network in force learnt: newer answers of the same groups cannot
    test it. Only the `sampled` answers, (n,), by default all, judge the candidate and
    set its temperature and policy. The others are corrections, which do not show how
    often a tag was right. Forgetting is always measured against the start: a shop may
    cost half a point in all. Raises as `finetune.adapt_in_folds`.
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
        on_phase=on_phase,
        kept=kept,
    )
    on_phase("comparing with the network in force")
    truth = numbered(answers, labels)
    judging = np.ones(len(answers), np.bool_) if sampled is None else sampled
    temperature = choose_temperature(adapted.held_back[judging], truth[judging])
    rows = at_temperature(adapted.held_back, temperature)
    network = calibrated(adapted.network, temperature)
    former = active or ModelOutputs(
        probabilities(start.network, answers.images), start.labels
    )
    fair = unknown_to_both(answers, learnt) & judging
    remembered = (
        accuracy_on(start.network, start.labels, known.test),
        accuracy_on(network, labels, known.test),
    )
    return Candidate(
        network,
        labels,
        _policy_or_former(rows[judging], truth[judging], labels, start.policy),
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
    """Return a mask, (n,), of the answers that are a fair test of both networks.

    Answers that the network in force learnt are fair: their kept predictions are by
    networks that learnt nothing of their whole group. A newer answer is fair if its
    group is new.
    """
    if learnt is None:
        return np.ones(len(answers), np.bool_)
    old = np.isin(answers.names, learnt)
    return np.asarray(old | ~np.isin(answers.groups, answers.groups[old]))


@dataclass(frozen=True, slots=True, eq=False)
class AdaptationResult:
    """An attempt: the candidate, its training examples, the row for the inventory.

    `active` has the outputs of the network in force for the answers.
    """

    candidate: Candidate
    examples: TrainingExamples
    active: ModelOutputs
    row: Adaptation


def adapt_inventory(
    inventory: Inventory,
    *,
    dry_run: bool = False,
    on_step: OnStep = lambda *_: None,
    on_phase: OnPhase = lambda _: None,
) -> AdaptationResult:
    """Adapt to an inventory's reviews, and record whether the gate promoted the result.

    The candidate's bundle lies beside the inventory. With `dry_run` nothing is written.
    A training that was killed continues after the last finished fold if the answers are
    the same. The caller holds the scan lock. Raises DataError if there are too few
    answers, or all are from one end of the queue; ModelError if a bundle cannot be
    used; TrainingError if the loss is not finite, or the bundle cannot be written;
    InventoryError if the result cannot be recorded. Then nothing has changed.
    """
    result = _attempt(inventory, dry_run=dry_run, on_step=on_step, on_phase=on_phase)
    if not dry_run:
        try:
            inventory.record_adaptation(result.row)
        except InventoryError:
            discard(inventory.place, result.row.bundle)
            raise
        forget_refused(inventory.place, inventory.adaptations(), keep=1)
    return result


def _attempt(
    inventory: Inventory, *, dry_run: bool, on_step: OnStep, on_phase: OnPhase
) -> AdaptationResult:
    """Train and judge a candidate, and write its bundle unless it is a `dry_run`."""
    database, reviews = inventory.place, inventory.reviews()
    adaptations = inventory.adaptations()
    begun = time.monotonic()
    start = default_bundle()
    rehearsed = replay.read(start)
    active = bundle_in_force(database, adaptations)
    examples = collect_examples(reviews, start.card.labels)
    answers = examples.answers
    former, learnt = _held_back_outputs(active, answers, reviews.kind_tags)
    waiting = reviews.waiting.get(active.card.digest, ())
    sampled = ~np.isin(answers.names, list(reviews.corrected))
    _check_sampled(sampled)
    # Audits draw mostly accepted pictures: they say nothing about the queue.
    queued = sampled & ~np.isin(answers.names, list(reviews.audited))
    check_coverage(_confidences(former)[queued], np.array(waiting, float))
    own = adapted_folder(database)
    name = next_name(database, adaptations, start.card.name)
    state = own / f".training-{_key(start, examples)}"
    try:
        _prepare_folders(own, state)
        candidate = evaluate_candidate(
            Start(_loaded(start), start.card.labels, start.card.policy),
            answers,
            rehearsed,
            labels=examples.labels,
            active=former,
            learnt=learnt,
            sampled=sampled,
            schedule=USUAL,
            on_step=on_step,
            on_phase=on_phase,
            kept=lambda fold: Checkpoint(state / f"fold-{fold}", state.name),
        )
        seconds = time.monotonic() - begun
        figures = _figures(candidate, examples, seconds)
        digest = ""
        if not dry_run:
            bundle = _write(own / name, candidate, examples, start, figures)
            digest = bundle.card.digest
        shutil.rmtree(state)
    except OSError as error:
        raise TrainingError(
            f"cannot write to {own}: {error.strerror or error}; nothing has changed"
        ) from error
    finally:
        share_all(own)
    judgement = candidate.judgement
    return AdaptationResult(
        candidate,
        examples,
        former,
        Adaptation(
            id=0,
            at=datetime.now(UTC),
            outcome=Outcome.PROMOTED if judgement.promoted else Outcome.REFUSED,
            bundle=name,
            beside=True,
            digest=digest,
            parent_digest=active.card.digest,
            decisions=len(answers),
            newest_decision_id=examples.newest_decision_id,
            figures=figures,
            reason=judgement.reason,
        ),
    )


def _check_sampled(sampled: NDArray[np.bool_]) -> None:
    """Raise DataError if too few answers also confirm right tags.

    A correction is only made to a wrong tag. With 123 corrections from a spreadsheet a
    network was "right in 0.000 before, in 0.618 after", and then accepted almost
    nothing. A sheet whose rows were all confirmed or corrected is a sample.
    """
    if not sampled.all() and int(sampled.sum()) < LEAST_ANSWERS:
        corrections = int((~sampled).sum())
        raise DataError(
            f"{corrections} of {len(sampled)} answers are corrections from "
            "spreadsheets, which do not show how often a tag was right: at least "
            f"{LEAST_ANSWERS} answers to 'tagger review --order random' are needed, or "
            "a sheet with every row confirmed or corrected"
        )


def _key(start: Bundle, examples: TrainingExamples) -> str:
    """Return the key of this training, by which an interrupted one continues."""
    content = repr((start.card.digest, examples.labels, USUAL, FOLDS)).encode()
    answers = examples.answers
    for array in (answers.names, answers.labels, answers.groups, answers.images):
        content += hashlib.sha256(array.tobytes()).digest()
    return hashlib.sha256(content).hexdigest()[:16]


def _prepare_folders(own: Path, state: Path) -> None:
    """Create the folders, and remove the checkpoints of other, unfinished trainings."""
    own.mkdir(parents=True, exist_ok=True)
    for other in own.glob(".training-*"):
        if other != state:
            shutil.rmtree(other)
    state.mkdir(exist_ok=True)


def _loaded(bundle: Bundle) -> KerasModel:
    start_keras(seed=1)
    return load_keras_model(bundle)


def _held_back_outputs(
    active: Bundle, answers: LabelledImages, kind_tags: Mapping[str, str]
) -> tuple[ModelOutputs, NDArray[np.str_] | None]:
    """Return the outputs of the network in force, as if it had not learnt the answers.

    An adapted bundle keeps, for each answer that it learnt, the probabilities by a
    network that did not learn it; its own would only repeat the answer. Also returns
    the digests of these answers; None if it has learnt none.
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


def _confidences(outputs: ModelOutputs) -> NDArray[np.float64]:
    """Return the confidence of each picture's tag, (n,), in [0, 1]."""
    predictions = predict(outputs.rows, outputs.labels)
    return np.array([prediction.confidence for prediction in predictions], float)


def _write(
    folder: Path,
    candidate: Candidate,
    examples: TrainingExamples,
    start: Bundle,
    figures: Mapping[str, Any],
) -> Bundle:
    answers, judgement = examples.answers, candidate.judgement
    stream = io.BytesIO()
    np.savez_compressed(stream, digests=answers.names, rows=candidate.held_back)
    return write_bundle(
        candidate.network,
        folder,
        labels=candidate.labels,
        policy=candidate.policy,
        metrics={
            KNOWN_FIGURE: judgement.known[1],
            "held_back_answers_accuracy": judgement.comparison.accuracy.second,
        },
        training={
            "data": f"{start.card.name}, and {len(answers):,} answers",
            "arch": start.card.training.get("arch", "a network"),
            "parameters": candidate.network.count_params(),
            "adapted_from": start.card.digest,
            "temperature": candidate.temperature,
            "share": candidate.share,
            "gate": figures,
        },
        more={
            REHEARSAL_FILE: (start.folder / REHEARSAL_FILE).read_bytes(),
            HELD_BACK_FILE: stream.getvalue(),
        },
        prior=_prior(start.card.prior, len(candidate.labels)),
    )


def _prior(known: tuple[float, ...], labels: int) -> tuple[float, ...]:
    """Return the prior of a network with more labels; empty if `known` is empty.

    A new label gets the mean share of the known labels.
    """
    if not known:
        return ()
    grown = [*known, *[1 / len(known)] * (labels - len(known))]
    return tuple(share / sum(grown) for share in grown)


def _figures(
    candidate: Candidate, examples: TrainingExamples, seconds: float
) -> dict[str, Any]:
    """Return the measurements as JSON values."""
    judgement = candidate.judgement
    compared = judgement.comparison
    return {
        "accuracy": asdict(compared.accuracy),
        "coverage": asdict(compared.coverage),
        "precision": TARGET_PRECISION,
        "known": list(judgement.known),
        "items": compared.items,
        "groups": compared.groups,
        "contradicted": examples.contradicted,
        "gone": examples.gone,
        "waiting": dict(examples.waiting),
        "labels": list(candidate.labels),
        "seconds": round(seconds, 1),
    }


def _policy_or_former(
    rows: NDArray[np.float32],
    truth: NDArray[np.int64],
    labels: Sequence[str],
    former: Policy,
) -> Policy:
    """Return the policy chosen on the answers, or the former if it accepts nothing.

    The answers are from the whole queue (`coverage`), and harder than the rest of the
    shop: a policy that is precise enough on them is more precise on the rest.
    """
    policy = choose_policy(rows, truth, labels)
    return policy if policy.threshold < 1 else former
