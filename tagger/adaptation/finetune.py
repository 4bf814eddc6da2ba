"""Fine-tune a trained network on one shop's answers, with replay.

All layers learn, at a low rate, from augmented pictures: some of the shop, some that
the network knew already, so that it does not forget them. Knows neither inventory nor
bundle. TensorFlow is imported by the functions that need it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.adaptation.gate import MOST_FORGOTTEN, ModelOutputs, outcomes
from tagger.bundles.keras_types import KerasModel
from tagger.datasets.records import LabelledImages, numbered
from tagger.errors import DataError
from tagger.training.architectures import probabilities
from tagger.training.checkpoint import Checkpoint, seed_dropout, start_keras
from tagger.training.mixture import Batch, Domain, batches, prefetch
from tagger.training.replay import Replay
from tagger.training.schedule import check_finite, cosine_with_warm_up
from tagger.training.surgery import expand_head, interpolate_weights, one_way

FOLDS: Final = 3
"""Number of folds of the answers; each network learns from all folds except one."""

SHARES: Final = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)
"""Tried shares of the way from the old to the fine-tuned weights, largest first."""

_ANSWERED: Final = 0
"""The number of the domain of the answers."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The settings of fine-tuning, chosen on shops that networks had never seen.

    `pictures` are seen in all, in steps of `batch_size`. `rate` is AdamW's highest
    learning rate, `weight_decay` its weight decay. `answers` is the share of the
    pictures that are answers, `photographs` the share of the others that are
    photographs. The rate rises for `warm_up` steps, then falls as a cosine. `memory` is
    the decay of the exponential mean of the weights: this mean is the result, and
    varies less by chance than the weights of any step. Half as many pictures more, at
    six tenths of the rate, learn the shop no better.
    """

    pictures: int = 8_000
    batch_size: int = 64
    rate: float = 1e-3
    weight_decay: float = 1e-3
    answers: float = 0.5
    photographs: float = 0.25
    warm_up: int = 40
    memory: float = 0.98

    @property
    def steps(self) -> int:
        """The number of training steps."""
        return max(1, self.pictures // self.batch_size)


USUAL: Final = Schedule()
"""The schedule of `tagger model adapt`."""

Weights = list[NDArray[np.float32]]
"""The arrays of a Keras model's weights, in its order."""


OnStep = Callable[[int, int], object]
"""Takes the number of the step just done, from 1, and the number of all steps."""

OnPhase = Callable[[str], object]
"""Takes what begins now, in words for a person, such as "measuring the result"."""


def adapt(  # noqa: PLR0913  the data, the settings and a callback
    network: KerasModel,
    answers: LabelledImages,
    rehearsal: Replay,
    labels: Sequence[str],
    *,
    schedule: Schedule = USUAL,
    seed: int = 1,
    on_step: OnStep = lambda *_: None,
) -> KerasModel:
    """Return a copy of a network that is fine-tuned on the answers.

    The target of a replayed picture is the old network's prediction, not the true
    label: the probabilities of the second and third tag hold more of its knowledge than
    the first ("Learning without forgetting", Li and Hoiem 2016, arXiv:1606.09282). On
    one shop's photographs the accuracy was 0.884 after 800 answers, with true labels
    0.875.

    `labels` are those of the outputs, in order. If there are more than the network has,
    it gets outputs for the last ones. Every answer must have one of these labels. Batch
    normalisation keeps its statistics: a few hundred pictures of one shop estimate them
    badly, and the shop's style must not shift the features of other pictures. Labels
    are drawn by the root of their count. Raises DataError if an answer has another
    label, TrainingError if the loss is not finite.
    """
    keras = start_keras(seed)
    adapted = expand_head(network, len(labels))
    learner, former = one_way(adapted), one_way(adapted)
    for layer in learner.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # this also freezes its statistics
    learner.compile(
        keras.optimizers.AdamW(schedule.rate, weight_decay=schedule.weight_decay),
        "categorical_crossentropy",
    )
    views, one_hot = learner.input_shape[-1], np.eye(len(labels), dtype=np.float32)
    mean = _WeightEma(learner.trainable_variables, schedule.memory)
    work = _plan(answers, rehearsal, labels, schedule, seed)
    for step, batch in enumerate(work, 1):
        share = cosine_with_warm_up(
            step - 1, (step - 1) / schedule.steps, warm_up=schedule.warm_up
        )
        learner.optimizer.learning_rate = schedule.rate * share
        seed_dropout(learner, seed, step)
        images = batch.images[..., :views].astype(np.float32)
        answered = batch.domains == _ANSWERED
        targets = np.where(
            answered[:, None], one_hot[batch.labels], former.predict_on_batch(images)
        )
        loss = learner.train_on_batch(images, targets)
        check_finite(float(loss), f"at step {step}")
        mean.add()
        on_step(step, schedule.steps)
    mean.put()
    adapted.set_weights(learner.get_weights())
    return adapted


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A fine-tuned network, and its cross-validated predictions for the answers.

    `held_back` are the probabilities of each answer, (n, labels), by a network that
    learnt no picture of the answer's group. `share` is how far the weights moved, in
    0..1, from the old ones to the fine-tuned ones.
    """

    network: KerasModel
    held_back: NDArray[np.float32]
    share: float


def adapt_in_folds(  # noqa: PLR0913  as `adapt`, and the checkpoints
    network: KerasModel,
    answers: LabelledImages,
    rehearsal: Replay,
    labels: Sequence[str],
    *,
    schedule: Schedule = USUAL,
    folds: int = FOLDS,
    seed: int = 1,
    on_step: OnStep = lambda *_: None,
    on_phase: OnPhase = lambda _: None,
    kept: Callable[[int], Checkpoint] | None = None,
) -> Adapted:
    """Fine-tune a network once without each fold of the answers; average the weights.

    The mean of the weights of networks that were fine-tuned from the same start is as
    good as the mean of their predictions, and costs one network (Wortsman et al. 2022,
    "Model soups", arXiv:2203.05482). So the trainings that measure the result also make
    it, and it learns from every answer. The held-back answers measure the network of
    each fold; the mean is no worse.

    The result lies between the old weights and this mean, as close to the mean as the
    gate's limit on forgetting allows (Wortsman et al. 2022, "Robust fine-tuning of
    zero-shot models", arXiv:2109.01903: half-way most is learnt and little forgotten).
    The share is chosen on the test arrays of the replay, never on answers.

    `kept` gives the checkpoint that keeps a fold's network when it is done, and from
    which it is loaded after a kill. Raises as `adapt`, and DataError if there are fewer
    groups than folds.
    """
    fold = folds_of(answers.groups, folds, seed)
    start = expand_head(network, len(labels))
    steps = schedule.steps

    def fold_weights(number: int) -> Weights:
        """Return the weights after learning from all answers outside one fold."""
        checkpoint = kept(number) if kept else None
        learner = checkpoint.load()[0] if checkpoint else None
        if learner is None:
            learner = adapt(
                network,
                answers.take(fold != number),
                rehearsal,
                labels,
                schedule=schedule,
                seed=seed + number,
                on_step=lambda step, _: on_step(number * steps + step, folds * steps),
            )
            if checkpoint:
                checkpoint.save(learner, steps, {})
        weights: Weights = learner.get_weights()
        return weights

    fold_networks = [fold_weights(number) for number in range(folds)]
    on_phase("measuring how much was forgotten")
    # The result: the mean of the folds' weights, moved back as far as it forgets.
    mean = [np.mean(each, axis=0) for each in zip(*fold_networks, strict=True)]
    share = _share_that_remembers(start, mean, rehearsal.test, labels)
    result = interpolate_weights(start, mean, share)
    # Cross-validation: each answer is predicted by the network that did not learn its
    # fold, moved back by the same share.
    on_phase("measuring what was learned")
    held_back = np.empty((len(answers), len(labels)), np.float32)
    for number, weights in enumerate(fold_networks):
        own = fold == number
        held_back[own] = probabilities(
            interpolate_weights(start, weights, share), answers.images[own]
        )
    return Adapted(result, held_back, share)


def accuracy_on(
    network: KerasModel, labels: Sequence[str], data: LabelledImages
) -> float:
    """Return the share of images, 0..1, whose most probable tag is the true one."""
    outputs = ModelOutputs(probabilities(network, data.images), labels)
    return float(outcomes(outputs, data.labels).right.mean())


def _share_that_remembers(
    start: KerasModel,
    weights: Weights,
    test: LabelledImages,
    labels: Sequence[str],
) -> float:
    """Return the largest share at which the network forgets no more than allowed.

    The smallest share if it forgets more at every one.
    """
    least = accuracy_on(start, labels, test) - MOST_FORGOTTEN
    for share in SHARES:
        moved = interpolate_weights(start, weights, share)
        if accuracy_on(moved, labels, test) >= least:
            return share
    return SHARES[-1]


def folds_of(groups: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each answer, 0..folds-1, (n,); a group is in one fold only.

    The groups come by size, the largest first, equal ones at random. Each goes to the
    fold with the fewest answers. Raises DataError if there are fewer groups than folds.
    """
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < folds:
        raise DataError(
            f"the answers are about {len(sizes)} groups of pictures, but {folds} are "
            "needed: review pictures of other products ('tagger roots list' shows what "
            "counts as one product)"
        )
    filled = np.zeros(folds, np.int64)
    fold = np.empty(len(sizes), np.int64)
    order = np.random.default_rng(seed).permutation(len(sizes))
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return fold[inverse]


def _plan(
    answers: LabelledImages,
    rehearsal: Replay,
    labels: Sequence[str],
    schedule: Schedule,
    seed: int,
) -> Iterator[Batch]:
    """Yield the batches of the whole training."""
    replayed = 1 - schedule.answers
    photographs = schedule.photographs if len(rehearsal.photographs) else 0.0
    gray = np.ascontiguousarray(rehearsal.arrays.images[..., 0])
    # The answers come first: `_ANSWERED` is the number of their domain.
    sets: list[tuple[float, LabelledImages, NDArray[np.uint8]]] = [
        (schedule.answers, answers, answers.images),
        (replayed * (1 - photographs), rehearsal.arrays, gray),
        (replayed * photographs, rehearsal.photographs, rehearsal.photographs.images),
    ]
    mixed = [
        Domain(weight, pictures, numbered(data, labels))
        for weight, data, pictures in sets
        if len(data) and weight
    ]
    made = prefetch(batches(mixed, schedule.batch_size, seed))
    for _, batch in zip(range(schedule.steps), made, strict=False):
        yield batch


class _WeightEma:
    """The exponential moving average (EMA) of variables over the steps.

    After Polyak and Juditsky 1992, SIAM J. Control Optim. 30:4, with exponential
    weights. The decay is smaller in the first steps, when the weights change most.
    """

    def __init__(self, variables: Sequence[Any], memory: float) -> None:
        self._variables = variables
        self._memory = memory
        self._means = [variable.numpy() for variable in variables]
        self._steps = 0

    def add(self) -> None:
        """Add the present values of the variables."""
        self._steps += 1
        kept = min(self._memory, self._steps / (self._steps + 9))
        for mean, variable in zip(self._means, self._variables, strict=True):
            mean[...] = kept * mean + (1 - kept) * variable.numpy()

    def put(self) -> None:
        """Set the variables to their means."""
        for mean, variable in zip(self._means, self._variables, strict=True):
            variable.assign(mean)
