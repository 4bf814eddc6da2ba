"""Visualize the embeddings of pictures in a network's last hidden layer.

The activations, one vector a picture, are drawn by principal components, by t-SNE, and
along a line between two labels. They are also written as a folder for TensorBoard's
projector. Only Keras gives access to the activations.
"""

import io
import math
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagger.bundles.bundle import Bundle
from tagger.bundles.classifier import BundleClassifier, load_keras_model
from tagger.charts import png, svg
from tagger.datasets.records import LabelledImages
from tagger.errors import DataError, MissingExtraError, ModelError
from tagger.evaluation.charts import scatter
from tagger.evaluation.measures import Floats
from tagger.evaluation.output_folder import check_folder, put_files
from tagger.evaluation.predictions import Answers, ask, measure
from tagger.evaluation.projections import label_axis, matching, principal
from tagger.labels import OTHER
from tagger.records import AMBIGUOUS, IMAGE_SIDE
from tagger.system.native_stderr import suppress_native_stderr
from tagger.text import printable

PROJECTOR: Final = "projector"
_CONFIG = f"{PROJECTOR}/projector_config.pbtxt"

_LEAST_IMAGES = 5
_ENDS = 2
_PERPLEXITY = 30
_COMPONENTS_FOR_TSNE = 30
"""Perplexity, and principal components kept before t-SNE. Van der Maaten and Hinton
2008 (JMLR 9:2579) use 40 and 30; scikit-learn's default perplexity is 30."""

Axis = tuple[str, str]
"""Two labels, or two texts to search for in the labels (see `matching`)."""


def check_embedding(folder: Path) -> None:
    """Check, before any work, that the folder can be written and packages are there.

    Raises EvaluationError for a folder with other content, MissingExtraError if
    scikit-learn is not installed.
    """
    check_folder(folder, _CONFIG)
    _tsne()


def some_of(data: LabelledImages, limit: int, seed: int) -> LabelledImages:
    """Draw up to `limit` images at random, and keep their order."""
    order = np.random.default_rng(seed).permutation(len(data))
    return data.take(np.sort(order[:limit]))


def last_hidden(bundle: Bundle, images: NDArray[np.uint8]) -> Floats:
    """Return the input of the output layer of a bundle's network, (n, d).

    `images` are views (n, 28, 28, 3). Loads TensorFlow, which takes about 15 s. Raises
    ModelError if the Keras file cannot be loaded.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppress_native_stderr():
        import keras

        network = load_keras_model(bundle)
        try:
            output = [layer for layer in network.layers if layer.weights][-1]
            inner = keras.Model(network.inputs, output.input)
        except (OSError, TypeError, ValueError, IndexError) as error:
            raise ModelError(
                f"{bundle.keras_file} cannot be loaded: {error}"
            ) from error
        views = images[..., : bundle.card.views].astype(np.float32)
        activations = inner.predict(views, batch_size=512, verbose=0)
    return np.asarray(activations, np.float64).reshape(len(images), -1)


def neighbourhood(vectors: Floats, seed: int) -> Floats:
    """Project (n, d) vectors to (n, 2) by t-SNE, so that neighbours stay neighbours.

    Van der Maaten and Hinton 2008 (JMLR 9:2579). Distances between distant clusters are
    meaningless. Raises MissingExtraError without scikit-learn.
    """
    points, _ = principal(vectors, _COMPONENTS_FOR_TSNE)
    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    tsne = _tsne()(perplexity=perplexity, init="pca", random_state=seed)
    # One thread: on a busy machine several threads wait for each other in busy loops,
    # for minutes instead of seconds, and the order of their sums varies.
    with _one_thread():
        return np.asarray(tsne.fit_transform(points), np.float64)


def check_axis(data: LabelledImages, axis: Axis) -> None:
    """Raise DataError if a search finds no label, or both find the same labels."""
    matches = [set(data.labels[matching(data.labels, text)].tolist()) for text in axis]
    for search, labels in zip(axis, matches, strict=True):
        if not labels:
            known = ", ".join(sorted(set(data.labels.tolist())))
            raise DataError(f"no label contains {search!r}; the labels are: {known}")
    if matches[0] == matches[1]:
        raise DataError(
            f"both searches find {', '.join(sorted(matches[0]))}: name two labels"
        )


def mixed_up_most(answers: Answers) -> Axis:
    """Return the two tags of the images that are confused most often.

    Without confusions, return the first two tags. Raises DataError if all items have
    one tag.
    """
    labels = set(answers.data.labels.tolist())
    present = [n for n, tag in enumerate(answers.tags) if tag in labels]
    if len(present) < _ENDS:
        raise DataError(f"{answers.data.name}: items of two tags are needed for a line")
    counts = np.array(measure(answers).confusion.counts)[np.ix_(present, present)]
    # The 1 makes each pair count more than the zeros below the diagonal.
    both = np.triu(counts + counts.T + 1, 1)
    row, column = np.unravel_index(int(both.argmax()), both.shape)
    return answers.tags[present[int(row)]], answers.tags[present[int(column)]]


def embed(
    bundle: Bundle, data: LabelledImages, folder: Path, axis: Axis | None, seed: int
) -> Axis:
    """Draw a bundle's last hidden layer and write the projector's folder.

    Returns the drawn axis: `axis`, or else the two tags that are confused most often.
    Raises DataError for fewer than five images or an axis that matches no two labels;
    ModelError, EvaluationError, MissingExtraError.
    """
    if len(data) < _LEAST_IMAGES:
        raise DataError(f"{data.name}: at least {_LEAST_IMAGES} images are needed")
    answers = ask(BundleClassifier(bundle), data, bundle.card.policy)
    ends = axis or mixed_up_most(answers)
    check_axis(data, ends)
    vectors = last_hidden(bundle, data.images)
    left, right = (matching(data.labels, search) for search in ends)
    line = label_axis(vectors, left, right)
    put_files(
        folder,
        _pictures(answers, vectors, line, ends, seed)
        | _projector(bundle, answers, vectors, line[:, 0], ends),
    )
    return ends


def _pictures(
    answers: Answers, vectors: Floats, line: Floats, ends: Axis, seed: int
) -> dict[str, bytes]:
    labels = answers.data.labels
    order = np.argsort([_rank(answers, label) for label in labels.tolist()])
    points, shares = principal(vectors, 2)
    if points.shape[1] < 2:  # noqa: PLR2004  a layer of one number
        points = np.column_stack([points, np.zeros(len(points))])
    left, right = map(printable, ends)

    def drawn(places: Floats, across: str = "", along: str = "") -> bytes:
        chart = scatter(places[order], labels[order], across=across, along=along)
        return png(svg(chart, across))

    names = [f"component {n}: {s:.0%} of the variance" for n, s in enumerate(shares, 1)]
    return {
        "pca.png": drawn(points, *names),
        "tsne.png": drawn(neighbourhood(vectors, seed)),
        "axis.png": drawn(line, f"{left} (0) to {right} (1)", "across"),
    }


def _rank(answers: Answers, label: str) -> int:
    return (*answers.tags, OTHER, AMBIGUOUS).index(label)


def _projector(
    bundle: Bundle, answers: Answers, vectors: Floats, along: Floats, ends: Axis
) -> dict[str, bytes]:
    """Return the files of TensorBoard's projector, its configuration last."""
    stream = io.BytesIO()
    np.savetxt(stream, vectors, fmt="%.6g", delimiter="\t")
    title = _cell(f"{bundle.card.name}, last hidden layer").replace('"', "'")
    config = (
        "embeddings {\n"
        f'  tensor_name: "{title}"\n'
        '  tensor_path: "vectors.tsv"\n'
        '  metadata_path: "metadata.tsv"\n'
        '  sprite {\n    image_path: "sprite.png"\n'
        f"    single_image_dim: {IMAGE_SIDE}\n    single_image_dim: {IMAGE_SIDE}\n"
        "  }\n}\n"
    )
    return {
        f"{PROJECTOR}/vectors.tsv": stream.getvalue(),
        f"{PROJECTOR}/metadata.tsv": _metadata(answers, along, ends),
        f"{PROJECTOR}/sprite.png": _sprite(answers.data.images[..., 0]),
        _CONFIG: config.encode(errors="backslashreplace"),
    }


def _metadata(answers: Answers, along: Floats, ends: Axis) -> bytes:
    """Return a header and a line for each picture, with its place on the axis."""
    header = ("label", "tag", "right", "confidence", f"{ends[0]} to {ends[1]}", "name")
    rows = zip(
        answers.data.labels.tolist(),
        answers.tag.tolist(),
        ["yes" if right else "no" for right in answers.right],
        [f"{confidence:.4f}" for confidence in answers.confidence],
        [f"{place:.4f}" for place in along],
        answers.data.names.tolist(),
        strict=True,
    )
    lines = ["\t".join(map(_cell, row)) for row in (header, *rows)]
    return ("\n".join(lines) + "\n").encode()


def _cell(text: str) -> str:
    """Return text as a cell without tabs, line breaks and undecodable bytes."""
    return printable(text).replace("\\", "/")


def _sprite(gray: NDArray[np.uint8]) -> bytes:
    """Arrange (n, 28, 28) pictures in a square, dark on white like photographs."""
    across = math.ceil(math.sqrt(len(gray)))
    down = math.ceil(len(gray) / across)
    sheet = np.zeros((down * across, IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    sheet[: len(gray)] = gray
    rows = sheet.reshape(down, across, IMAGE_SIDE, IMAGE_SIDE).swapaxes(1, 2)
    stream = io.BytesIO()
    flat = rows.reshape(down * IMAGE_SIDE, across * IMAGE_SIDE)
    Image.fromarray(255 - flat).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _one_thread() -> AbstractContextManager[object]:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  comes with the extra

    limited: AbstractContextManager[object] = threadpool_limits(1)
    return limited


def _tsne() -> Any:  # noqa: ANN401  scikit-learn has no types
    try:
        from sklearn.manifold import TSNE  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MissingExtraError("t-SNE", "scikit-learn", "embed") from error
    return TSNE
