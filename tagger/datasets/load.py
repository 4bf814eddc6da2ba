"""Read labelled images for training and evaluation, in several formats.

Every photograph goes through `imaging.decode`. Knows no network.
"""

import csv
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path

import numpy as np

from tagger.datasets.fashion_mnist import (
    KERAS_PREFIX,
    _load_csv,
    _load_idx,
    _load_keras,
)
from tagger.datasets.records import EVERYTHING, Choice, LabelledImages, Part
from tagger.errors import DataError
from tagger.imaging.formats import ENDINGS, FOREIGN_PICTURES
from tagger.imaging.prepare import canvas, prepare
from tagger.imaging.views import Views
from tagger.labels import OTHER, kind_label
from tagger.records import (
    AMBIGUOUS,
    FASHION_LABELS,
    UnreadableImage,
)

_Read = Callable[[Path], Views | UnreadableImage]
_Named = Callable[[str], str | None]
_Tell = Callable[[str], object]

_MOST_NAMED = 3
_LEAST_LABELS = 2


def load(
    source: str,
    part: Part = "train",
    tags: Sequence[str] = FASHION_LABELS,
    *,
    custom_tags: bool = False,
    tell: _Tell = lambda _: None,
) -> LabelledImages:
    """Read a source of labelled images.

    A source is one of these:

    - a folder with the IDX files of Fashion-MNIST;
    - a folder with a `labels.csv` (columns `file`, `label`, optionally `group`), with
      the pictures beside it or in `images/`;
    - a folder of folders named by their tags;
    - a CSV file of Fashion-MNIST (`label` and 784 pixel columns);
    - `keras:fashion_mnist`.

    If a source has a training and a test part, `part` chooses one; otherwise it is read
    completely. The labels of folders and of a `labels.csv` must be in `tags`. With
    `custom_tags` they are taken as they are, for a shop with tags of its own. `tell`
    takes a line about the pictures of a folder that are left out, for each reason.

    Raises DataError, which names the faults and counts them.
    """
    path = Path(source)
    if source.startswith(KERAS_PREFIX):
        data = _load_keras(source, part)
    elif path.is_file():
        data = _load_csv(path)
    elif any(path.glob("*-idx3-ubyte*")):
        data = _load_idx(path, part)
    elif (path / "labels.csv").is_file():
        data = _load_labelled_folder(path, tell, named=_named(tags, custom_tags))
    elif path.is_dir():
        data = _load_folders(path, tell, named=_named(tags, custom_tags))
    else:
        raise DataError(f"{source} does not exist")
    if custom_tags:
        alike = _alike(data.labels.tolist())
        what = "tags that differ only in case or punctuation, or so from tagger's own"
        _refuse(f"{source}:", {f"{what} {OTHER} and {AMBIGUOUS}": alike})
    return _checked(data)


def load_canvases(
    folder: Path, tell: _Tell = lambda _: None, choice: Choice = EVERYTHING
) -> LabelledImages:
    """Read a folder of photographs as canvases, for training with augmentation.

    As `load` for a folder with a `labels.csv`, or of folders named by their tags, but
    `images` are the canvases of `prepare.canvas`, (n, 96, 96, 3). Raises DataError,
    which names the faults and counts them.
    """
    if (folder / "labels.csv").is_file():
        return _checked(_load_labelled_folder(folder, tell, canvas, choice=choice))
    if folder.is_dir() and any(child.is_dir() for child in folder.iterdir()):
        return _checked(_load_folders(folder, tell, canvas))
    raise DataError(f"{folder} has no labels.csv and no folders named by their tags")


def load_prepared(folder: Path, choice: Choice) -> LabelledImages:
    """Read a folder of photographs with the views of a scan.

    As `load_canvases`, but `images` are the network's views, (n, 28, 28, 3).
    """
    if (folder / "labels.csv").is_file():
        return _checked(_load_labelled_folder(folder, lambda _: None, choice=choice))
    return load(str(folder))


def load_one_label(
    folder: Path, label: str, *, at_most: int = 0, without: Sequence[str] = ()
) -> LabelledImages:
    """Read a folder of pictures that all have one label, as canvases.

    `at_most` limits their number; they are taken at even distances. Pictures whose path
    in the folder contains a word of `without`, in any case, are left out. So are
    unreadable ones, because nobody can repair such a collection. Raises DataError if no
    picture is left.
    """
    words = [word.lower() for word in without]
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in ENDINGS
        and not any(word in str(path.relative_to(folder)).lower() for word in words)
    ]
    if at_most and len(paths) > at_most:
        paths = [paths[n * len(paths) // at_most] for n in range(at_most)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = zip(paths, pool.map(canvas, paths), strict=True)
        read = [
            (path, views)
            for path, views in results
            if not isinstance(views, UnreadableImage)
        ]
    if not read:
        raise DataError(f"{folder}: no pictures")
    names = np.array([str(path) for path, _ in read], np.str_)
    images = np.array([views for _, views in read], np.uint8)
    return LabelledImages(str(folder), images, np.full(len(read), label), names, names)


def load_test_part(source: str) -> LabelledImages | None:
    """Read the test part of a source of Fashion-MNIST; None if it has none."""
    path = Path(source)
    if source.startswith(KERAS_PREFIX) or any(path.glob("t10k-images-idx3-ubyte*")):
        return load(source, "test")
    return None


def _named(tags: Sequence[str], custom_tags: bool) -> _Named:  # noqa: FBT001
    """Return the function that turns a label into a tag: see `load`'s `custom_tags`."""
    if custom_tags:
        return lambda text: text.strip() or None
    return partial(tag_named, tags=tuple(tags))


def tag_named(text: str, tags: tuple[str, ...] = FASHION_LABELS) -> str | None:
    """Return the tag for the name of a folder or a cell, in any case and punctuation.

    A tag that is spelled exactly so has priority.
    """
    exact = text.strip()
    if exact in (*tags, OTHER, AMBIGUOUS):
        return exact
    return _tags_by_letters(tags).get(_letters(text)) if _letters(text) else None


def _letters(text: str) -> str:
    """Return only letters, marks and digits: Hindi vowels are marks."""
    plain = unicodedata.normalize("NFKC", text.casefold())
    return "".join(c for c in plain if unicodedata.category(c)[0] in "LMN")


def _alike(tags: Iterable[str]) -> list[str]:
    """Return the tags that `tag_named` cannot tell apart, joined by "and"."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for tag in {*tags, OTHER, AMBIGUOUS}:
        spellings[_letters(tag) or tag].add(tag)
    return [" and ".join(sorted(same)) for same in spellings.values() if len(same) > 1]


@lru_cache
def _tags_by_letters(tags: tuple[str, ...]) -> dict[str, str]:
    by_letters = {_letters(tag): tag for tag in (*tags, OTHER, AMBIGUOUS)}
    if (shirt_or_top := "T-shirt/top") in tags:
        by_letters.setdefault(_letters("T-shirt"), shirt_or_top)
    return by_letters


def _checked(data: LabelledImages) -> LabelledImages:
    if not len(data):
        raise DataError(f"{data.name}: no labelled images")
    tags = set(data.labels.tolist()) - {OTHER, AMBIGUOUS}
    if len(tags) < _LEAST_LABELS:
        only = ", ".join(sorted(tags)) or "none"
        raise DataError(
            f"{data.name}: images of at least two tags are needed, found: {only}"
        )
    return data


def _network_input(path: Path) -> Views | UnreadableImage:
    prepared = prepare(path)
    return prepared if isinstance(prepared, UnreadableImage) else prepared.pixels


def _load_labelled_folder(
    folder: Path,
    tell: _Tell,
    read: _Read = _network_input,
    named: _Named = tag_named,
    choice: Choice = EVERYTHING,
) -> LabelledImages:
    rows = _read_labels(folder / "labels.csv")
    beside = folder / "images"
    pictures = beside if beside.is_dir() else folder
    paths = [pictures / row.file for row in rows]
    tags = [named(row.label) for row in rows]
    times = Counter(row.file for row in rows if row.file)
    _refuse(
        f"{folder}: labels.csv",
        {
            "names files that do not exist": [
                row.place
                for row, path in zip(rows, paths, strict=True)
                if not path.is_file()
            ],
            "gives files no label": [row.place for row in rows if not row.label],
            "has labels that are not tags": [
                row.label
                for row, tag in zip(rows, tags, strict=True)
                if row.label and tag is None
            ],
            "names files more than once": [file for file, n in times.items() if n > 1],
        },
    )
    _tell_left_out(folder, paths, "that labels.csv does not name", tell)
    _check_choice(folder, rows, choice)
    taken = [
        (row, path, _with_kind(row, str(tag), choice))
        for row, path, tag in zip(rows, paths, tags, strict=True)
        if row.file not in choice.left_out
    ]
    data = _all_read(
        str(folder),
        [path for _, path, _ in taken],
        [label for _, _, label in taken],
        [row.group for row, _, _ in taken],
        read,
    )
    return replace(data, sets=np.array([row.set for row, _, _ in taken], np.str_))


def _with_kind(row: "_Row", tag: str, choice: Choice) -> str:
    """Return the kind of an ambiguous picture, if chosen, otherwise the tag."""
    kind = choice.kinds.get(row.kind) if tag == AMBIGUOUS else None
    return tag if kind is None else kind_label(kind)


def _check_choice(folder: Path, rows: Sequence["_Row"], choice: Choice) -> None:
    """Raise DataError if a choice names kinds or files that the folder lacks."""
    kinds = choice.kinds.keys() - {row.kind for row in rows}
    files = choice.left_out - {row.file for row in rows}
    _refuse(
        f"{folder}: labels.csv",
        {
            "has no picture of these kinds": sorted(kinds),
            "does not name files that are to be left out": sorted(files),
        },
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a `labels.csv`: its number, and its cells, with a normalised `file`.

    `kind` is the publisher's word for an ambiguous picture, `set` the shop it is from.
    """

    line: int
    file: str
    label: str
    group: str
    kind: str
    set: str

    @property
    def place(self) -> str:
        return self.file or f"line {self.line}"


def _read_labels(path: Path) -> list[_Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="")
            if not {"file", "label"} <= set(reader.fieldnames or ()):
                raise DataError(f"{path} needs the columns file and label")
            return [
                _Row(
                    reader.line_num,
                    os.path.normpath(row["file"]) if row["file"] else "",
                    row["label"].strip(),
                    row.get("group") or row["file"],
                    row.get("kind") or row.get("detail") or "",
                    row.get("set") or "",
                )
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _load_folders(
    folder: Path,
    tell: _Tell,
    read: _Read = _network_input,
    named: _Named = tag_named,
) -> LabelledImages:
    folders = sorted(child for child in folder.iterdir() if child.is_dir())
    tags = [named(child.name) for child in folders]
    unknown = [c.name for c, tag in zip(folders, tags, strict=True) if tag is None]
    _refuse(f"{folder}:", {"folders whose names are not tags": unknown})
    pictures = [
        [p for p in sorted(child.rglob("*")) if p.suffix.lower() in ENDINGS]
        for child in folders
    ]
    paths = list(chain.from_iterable(pictures))
    labels = [
        str(tag)
        for tag, own in zip(tags, pictures, strict=True)
        for _ in range(len(own))
    ]
    _tell_left_out(folder, paths, "in no folder of a tag", tell)
    empty = [c.name for c, own in zip(folders, pictures, strict=True) if not own]
    if empty:
        tell(f"{folder}: folders without pictures: {_counted(empty)}")
    return _all_read(str(folder), paths, labels, list(map(str, paths)), read)


def _tell_left_out(folder: Path, taken: Iterable[Path], why: str, tell: _Tell) -> None:
    """Report the pictures of a folder that are left out, one line a reason."""
    left = sorted(set(folder.rglob("*")).difference(taken))
    for what, endings in (
        (f"pictures {why}", ENDINGS),
        ("pictures in formats that tagger does not read", FOREIGN_PICTURES),
    ):
        names = [
            path.relative_to(folder).as_posix()
            for path in left
            if path.suffix.lower() in endings and path.is_file()
        ]
        if names:
            tell(f"{folder}: left out {what}: {_counted(names)}")


def _all_read(
    name: str,
    paths: Sequence[Path],
    labels: Sequence[str],
    groups: Sequence[str],
    read: _Read = _network_input,
) -> LabelledImages:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(read, paths))
    bad = [
        f"{path} ({result.reason})"
        for path, result in zip(paths, results, strict=True)
        if isinstance(result, UnreadableImage)
    ]
    _refuse(f"{name}:", {"images that cannot be read": bad})
    images = [views for views in results if not isinstance(views, UnreadableImage)]
    return LabelledImages(
        name,
        np.array(images, np.uint8),
        np.array(labels, np.str_),
        np.array(groups, np.str_),
        np.array([str(path) for path in paths], np.str_),
    )


def _refuse(where: str, cases: Mapping[str, Sequence[str]]) -> None:
    """Raise DataError if there are cases of any fault; count them all."""
    faults = [f"{fault}: {_counted(named)}" for fault, named in cases.items() if named]
    if faults:
        raise DataError(f"{where} {'; '.join(faults)}")


def _counted(cases: Sequence[str]) -> str:
    """Return the number of cases, and the most frequent ones."""
    counted = Counter(cases)
    named = ", ".join(case for case, _ in counted.most_common(_MOST_NAMED))
    more = ", …" if len(counted) > _MOST_NAMED else ""
    return f"{len(cases)} ({named}{more})"
