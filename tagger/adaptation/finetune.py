"""Learn a shop: fit a trained network a little further, to a person's answers about it.

All layers learn, gently, from varied pictures: some of the shop, some that the network
knew already, lest it forget them. Knows no inventory and no bundle. TensorFlow is
imported by the functions that need it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.adaptation.gate import MOST_FORGOTTEN, ModelOutputs, outcomes
from tagger.datasets.records import LabelledImages, numbered
from tagger.errors import DataError
from tagger.training.architectures import probabilities
from tagger.training.checkpoint import Checkpoint, seed_dropout, start_keras
from tagger.training.mixture import Batch, Domain, batches, prefetch
from tagger.training.replay import Rehearsal
from tagger.training.schedule import check_finite, cosine_with_warm_up
from tagger.training.surgery import expand_head, interpolate_weights, one_way

FOLDS: Final = 3
"""Parts of the answers, of which each network learns from all but one."""

SHARES: Final = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)
"""How far a network may go from what it was to what it has learnt."""

_ANSWERED: Final = 0
"""The number of the domain that answers are."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a network is adapted: chosen on shops that networks had never seen.

    Pictures seen, and in a step; AdamW's rate at its highest and its decay of weights;
    shares of the pictures that are answers and, of the rest, that are photographs;
    steps in which the rate rises, before it falls as a cosine. `memory` is how much of
    the mean of the weights is kept a step: the mean is the network that comes out, and
    is less a matter of chance than any one step's. Half as many pictures more, at six
    tenths of the rate, learn the shop no better.
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
        """How often the network learns."""
        return max(1, self.pictures // self.batch_size)


USUAL: Final = Schedule()


OnStep = Callable[[int, int], object]
"""Told the number of the step just done, from 1, and how many there are."""


def adapt(  # noqa: PLR0913  what is learnt, how, and who is told
    network: Any,  # noqa: ANN401  Keras has no types
    answers: LabelledImages,
    rehearsal: Rehearsal,
    labels: Sequence[str],
    *,
    schedule: Schedule = USUAL,
    seed: int = 1,
    on_step: OnStep = lambda *_: None,
) -> Any:  # noqa: ANN401
    """Return a copy of a Keras network that has learnt from the answers.

    Of what is rehearsed it is taught what it said of each picture before, not the
    truth: the tags that came second and third hold more of what it knows than the first
    ("Learning without forgetting", Li and Hoiem 2016, arXiv:1606.09282). Of one shop's
    photographs 0.884 were right after 800 answers, where the truth came to 0.875.

    `labels` are those of its outputs, in order; where there are more than it has, it
    grows by the last of them. Answers must all have one of these labels. The statistics
    of batch normalisation stay what they were: some hundred pictures of one shop are no
    measure of them, and the shop's style must not shift what all else is measured by.
    Tags are drawn by the root of their count. Raises DataError where an answer has
    another label, TrainingError where the loss is no number any more.
    """
    keras = start_keras(seed)
    found = expand_head(network, len(labels))
    learner, former = one_way(found), one_way(found)
    for layer in learner.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
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
        truth = np.where(
            answered[:, None], one_hot[batch.labels], former.predict_on_batch(images)
        )
        loss = learner.train_on_batch(images, truth)
        check_finite(float(loss), f"at step {step}")
        mean.add()
        on_step(step, schedule.steps)
    mean.put()
    found.set_weights(learner.get_weights())
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A network that has learnt from answers, and how it does where it has not.

    `held_back` are the probabilities of each answer's labels, (n, labels), from a
    network that learnt from no picture of the answer's group. `share` is how far the
    weights went, in 0..1, of the way that they were fitted.
    """

    network: Any
    held_back: NDArray[np.float32]
    share: float


def adapt_in_folds(  # noqa: PLR0913  as `adapt`, and where it is kept
    network: Any,  # noqa: ANN401
    answers: LabelledImages,
    rehearsal: Rehearsal,
    labels: Sequence[str],
    *,
    schedule: Schedule = USUAL,
    folds: int = FOLDS,
    seed: int = 1,
    on_step: OnStep = lambda *_: None,
    kept: Callable[[int], Checkpoint] | None = None,
) -> Adapted:
    """Adapt a network once without each fold of the answers, and take the mean of all.

    The mean of the weights of networks that were fitted from the same start does as
    well as the mean of their votes, and costs one network (Wortsman et al. 2022, "Model
    soups", arXiv:2203.05482). So what measures the network is also what makes it: no
    training is for the measure alone, and no answer is left out of the result. What is
    held back measures each of the networks, of which the mean is no worse.

    The result lies on the way from the network to that mean, as far along as the gate
    lets it forget (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models",
    arXiv:2109.01903: most of what is learnt is there half-way, when little of what was
    known is lost). How far is chosen on the rehearsal's test arrays, never on answers.

    `kept` gives the place where a fold's network is kept when it is done, and found
    again after a kill. Raises as `adapt`, and DataError where there are fewer groups
    than folds.
    """
    fold = folds_of(answers.groups, folds, seed)
    start = expand_head(network, len(labels))
    learners = []
    for number in range(folds):
        place = kept(number) if kept else None
        learner = place.load()[0] if place else None
        if learner is None:
            done = number * schedule.steps

            def told(step: int, _: int, done: int = done) -> None:
                on_step(done + step, folds * schedule.steps)

            learner = adapt(
                network,
                answers.take(fold != number),
                rehearsal,
                labels,
                schedule=schedule,
                seed=seed + number,
                on_step=told,
            )
            if place:
                place.save(learner, schedule.steps, {})
        learners.append(learner.get_weights())
    mean = [np.mean(each, axis=0) for each in zip(*learners, strict=True)]
    share = _share_that_remembers(start, mean, rehearsal.test, labels)
    held_back = np.empty((len(answers), len(labels)), np.float32)
    for number, weights in enumerate(learners):
        mine = fold == number
        held_back[mine] = probabilities(
            interpolate_weights(start, weights, share), answers.images[mine]
        )
    return Adapted(interpolate_weights(start, mean, share), held_back, share)


def accuracy_on(network: Any, labels: Sequence[str], data: LabelledImages) -> float:  # noqa: ANN401
    """Return the share of images, 0..1, whose most probable tag is the true one."""
    said = ModelOutputs(probabilities(network, data.images), labels)
    return float(outcomes(said, data.labels).right.mean())


def _share_that_remembers(
    start: Any,  # noqa: ANN401
    weights: Sequence[Any],
    test: LabelledImages,
    labels: Sequence[str],
) -> float:
    """Return the largest share of the way at which little enough is forgotten."""
    least = accuracy_on(start, labels, test) - MOST_FORGOTTEN
    for share in SHARES:
        if (
            accuracy_on(interpolate_weights(start, weights, share), labels, test)
            >= least
        ):
            return share
    return SHARES[-1]


def folds_of(groups: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each answer, 0..folds-1, (n,); a group is in one alone.

    Groups come in an order of chance and fill the fold that is least full. Raises
    DataError where there are fewer groups than folds.
    """
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < folds:
        raise DataError(
            f"{len(sizes)} groups of pictures cannot be split {folds} ways: "
            "more answers are needed, about other products (what names a product is in "
            "'tagger roots list')"
        )
    full = np.zeros(folds, np.int64)
    fold = np.empty(len(sizes), np.int64)
    order = np.random.default_rng(seed).permutation(len(sizes))
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold[group] = full.argmin()
        full[fold[group]] += sizes[group]
    return fold[inverse]


def _plan(
    answers: LabelledImages,
    rehearsal: Rehearsal,
    labels: Sequence[str],
    schedule: Schedule,
    seed: int,
) -> Iterator[Batch]:
    """Yield the batches of the whole training."""
    known = 1 - schedule.answers
    photographs = schedule.photographs if len(rehearsal.photographs) else 0.0
    gray = np.ascontiguousarray(rehearsal.arrays.images[..., 0])
    sets: list[tuple[float, LabelledImages, NDArray[np.uint8]]] = [
        (schedule.answers, answers, answers.images),
        (known * (1 - photographs), rehearsal.arrays, gray),
        (known * photographs, rehearsal.photographs, rehearsal.photographs.images),
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
    """The mean of variables over the steps, the late ones counting more.

    Polyak and Juditsky 1992, SIAM J. Control Optim. 30:4, with exponential weights; the
    first steps are forgotten sooner, for there the weights are still far away.
    """

    def __init__(self, variables: Sequence[Any], memory: float) -> None:
        self._variables = variables
        self._memory = memory
        self._means = [variable.numpy() for variable in variables]
        self._steps = 0

    def add(self) -> None:
        """Take the variables as they are now."""
        self._steps += 1
        kept = min(self._memory, self._steps / (self._steps + 9))
        for mean, variable in zip(self._means, self._variables, strict=True):
            mean[...] = kept * mean + (1 - kept) * variable.numpy()

    def put(self) -> None:
        """Set the variables to their means."""
        for mean, variable in zip(self._means, self._variables, strict=True):
            variable.assign(mean)
