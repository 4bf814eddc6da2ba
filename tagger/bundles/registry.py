"""Keep the registry of installed bundles, and the user's default among them.

The registry has the bundles that come with tagger and those that the user added. A
bundle from outside is inspected before it is added, and verified whenever it is loaded.
"""

import json
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
from msgspec import Struct

from tagger.bundles.bundle import (
    CARD_FILE,
    DEFAULT_BUNDLE,
    Bundle,
    added_folder,
    choice_file,
    chosen,
    chosen_folder,
    find_bundle,
    load_bundle,
    models_folder,
)
from tagger.bundles.classifier import BundleClassifier
from tagger.bundles.inspection import MAX_FILE_BYTES, Contents, inspect_untrusted
from tagger.errors import ModelError
from tagger.records import IMAGE_SIDE, VIEWS
from tagger.validation import read_json

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_MEMBERS = 16
_FOLDER_DEPTH = 2
"""An archive's files are at its top level, or all in one folder."""


class Place(StrEnum):
    """The place of a bundle: it comes with tagger, was added, or is in a folder."""

    TAGGER = "tagger"
    ADDED = "added"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class InstalledBundle:
    """A bundle of the registry: its name, its place, and whether it is the default.

    `problem` is the reason why it cannot be used, or empty; with a problem `bundle` is
    None. A bundle outside the registry has its folder as its name.
    """

    name: str
    place: Place
    default: bool
    bundle: Bundle | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AddedBundle:
    """A bundle that was added: its contents, and the files that were not copied.

    `new` is false if it was installed already.
    """

    bundle: Bundle
    contents: Contents
    left_out: tuple[str, ...]
    new: bool


class _Named(Struct):
    """The only key of a card that is read before the card is verified."""

    files: dict[str, str]


def use(name_or_folder: str) -> Bundle:
    """Make a bundle the user's default, after running it once.

    Raises ModelError if it cannot be used, or the choice cannot be written.
    """
    bundle = find_bundle(name_or_folder)
    _try(bundle)
    folder = bundle.folder.resolve()
    registry = models_folder().resolve(), added_folder().resolve()
    choice = folder.name if folder.parent in registry else str(folder)
    path = choice_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".use-") as scratch:
            draft = Path(scratch) / path.name
            draft.write_text(json.dumps({"bundle": choice}) + "\n", encoding="ascii")
            draft.replace(path)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from error
    return bundle


def installed_bundles() -> tuple[InstalledBundle, ...]:
    """List the bundles that came with tagger, those added, and the chosen folder."""
    choice = chosen() or DEFAULT_BUNDLE
    places = ((models_folder(), Place.TAGGER), (added_folder(), Place.ADDED))
    bundles = [
        _installed(folder, folder.name, place, default=choice == folder.name)
        for parent, place in places
        for folder in sorted(parent.glob("*/"))
        if (folder / CARD_FILE).is_file()
    ]
    if not any(bundle.default for bundle in bundles):
        elsewhere = chosen_folder(choice)
        bundles.append(_installed(elsewhere, choice, Place.FOLDER, default=True))
    return tuple(bundles)


def add(source: Path) -> AddedBundle:
    """Add the bundle in a folder or an archive (zip, tar) to the registry.

    Copies only the files that its card names. They are inspected, and the network is
    run once, before the bundle is added. Raises ModelError, with the reason, if it is
    refused; the registry is then unchanged.
    """
    added = added_folder()
    try:
        added.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=added, prefix=".add-") as scratch:
            draft = Path(scratch) / "bundle"
            draft.mkdir()
            left_out = _fetch(source, draft)
            with _source_in_errors(source, draft):
                bundle = load_bundle(draft)
                contents = inspect_untrusted(bundle)
                _try(bundle)
            folder = added / _free_name(bundle, added)
            new = not folder.exists()
            if new:
                draft.rename(folder)
    except OSError as error:
        raise ModelError(f"{source} cannot be added: {error.strerror}") from error
    return AddedBundle(load_bundle(folder), contents, left_out, new)


@contextmanager
def _source_in_errors(source: Path, draft: Path) -> Iterator[None]:
    """Name the source in error messages, not the draft, which is deleted by then."""
    try:
        yield
    except ModelError as error:
        raise ModelError(str(error).replace(str(draft), str(source))) from error


def _installed(
    folder: Path, name: str, place: Place, *, default: bool
) -> InstalledBundle:
    try:
        return InstalledBundle(name, place, default, load_bundle(folder))
    except ModelError as error:
        return InstalledBundle(name, place, default, None, str(error))


def _try(bundle: Bundle) -> None:
    """Run the network once, and refuse it if it does not return probabilities."""
    blank = np.zeros((1, IMAGE_SIDE, IMAGE_SIDE, VIEWS), np.uint8)
    row = BundleClassifier(bundle).classify(blank)
    if not np.isfinite(row).all() or abs(float(row.sum()) - 1) > 1e-3:  # noqa: PLR2004
        raise ModelError(
            f"{bundle.card.name} is refused: its outputs for a blank picture are not "
            "probabilities"
        )


def _free_name(bundle: Bundle, added: Path) -> str:
    name = bundle.card.name
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"the name {name!r} is refused: use only letters, digits, '.', '_' and '-'"
        )
    if (models_folder() / name).exists():
        raise ModelError(f"{name} is the name of a network that came with tagger")
    present = added / name
    if present.exists() and load_bundle(present).card.files != bundle.card.files:
        raise ModelError(f"there is another network {name}: remove {present} first")
    return name


def _fetch(source: Path, draft: Path) -> tuple[str, ...]:
    """Copy a bundle's files into a folder; return the names of files left out."""
    if source.is_dir():
        return _fetch_folder(source, draft)
    if not source.is_file():
        raise ModelError(f"{source} does not exist")
    names = _fetch_archive(source, draft)
    extra = sorted(names - _wanted(draft))
    if extra:
        raise ModelError(
            f"{source} is refused: it contains {extra[0]!r}, which is not on its card"
        )
    return ()


def _fetch_folder(source: Path, draft: Path) -> tuple[str, ...]:
    for name in (CARD_FILE, *sorted(_wanted(source) - {CARD_FILE})):
        path = source / name
        if not path.is_file():
            raise ModelError(f"{path} does not exist")
        with path.open("rb") as stream:
            _copy(stream, draft / name)
    return tuple(sorted({path.name for path in source.iterdir()} - _wanted(source)))


def _wanted(folder: Path) -> set[str]:
    """Return the names of a bundle's files from its card, which is not verified yet."""
    try:
        names = read_json((folder / CARD_FILE).read_bytes(), _Named).files.keys()
    except OSError as error:
        raise ModelError(f"not a bundle: it has no {CARD_FILE}") from error
    except ValueError as error:
        raise ModelError(f"{CARD_FILE} is not a model card: {error}") from error
    if any(Path(name).name != name or "\\" in name for name in names):
        raise ModelError(f"{CARD_FILE} is refused: it names files outside its folder")
    return {CARD_FILE, *names}


def _fetch_archive(source: Path, draft: Path) -> set[str]:
    """Unpack the plain files of an archive; return their names.

    Raises ModelError for any member that is not a plain file in the archive's folder.
    """
    names: set[str] = set()
    folders: set[str] = set()
    try:
        with _opened(source) as members:
            ours = (member for member in members if not _of_macos(member[0]))
            for count, (path, stream) in enumerate(ours, start=1):
                folder, name = _own(source, path)
                folders.add(folder)
                if count > _MAX_MEMBERS or len(folders) > 1 or name in names:
                    raise ModelError(
                        f"{source} is refused: it contains more than a bundle"
                    )
                names.add(name)
                with stream:
                    _copy(stream, draft / name)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        zlib.error,
    ) as error:
        raise ModelError(f"{source} cannot be unpacked: {error}") from error
    return names


_Members = Iterator[tuple[str, IO[bytes]]]


@contextmanager
def _opened(source: Path) -> Iterator[_Members]:
    # Test for tar first. A tar that ends with a Keras file, which is a zip, would pass
    # as a zip: that format is recognised by its end.
    if tarfile.is_tarfile(source):
        with tarfile.open(source) as tar:
            yield _tar_members(source, tar)
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            yield _zip_members(source, archive)
    else:
        raise ModelError(f"{source} is neither a folder nor a zip or tar archive")


def _zip_members(source: Path, archive: zipfile.ZipFile) -> _Members:
    for member in archive.infolist():
        mode = member.external_attr >> 16
        if member.is_dir():
            continue
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise ModelError(f"{source} is refused: {member.filename!r} is a link")
        yield member.filename, archive.open(member)


def _tar_members(source: Path, tar: tarfile.TarFile) -> _Members:
    for member in tar:
        if member.isdir():
            continue
        stream = tar.extractfile(member) if member.isreg() else None
        if stream is None:
            raise ModelError(
                f"{source} is refused: {member.name!r} is not a plain file"
            )
        yield member.name, stream


def _of_macos(path: str) -> bool:
    """Whether macOS added a file to an archive: icons and resource forks."""
    parts = PurePosixPath(path).parts
    return parts[:1] == ("__MACOSX",) or (
        bool(parts) and (parts[-1] == ".DS_Store" or parts[-1].startswith("._"))
    )


def _own(source: Path, path: str) -> tuple[str, str]:
    """Split a member's path into folder and name; refuse one that leads outside."""
    parts = PurePosixPath(path).parts
    parts = parts[1:] if parts[:1] == (".",) else parts
    outside = path.startswith("/") or ".." in parts or set(path) & {"\\", ":", "\0"}
    if outside or not 1 <= len(parts) <= _FOLDER_DEPTH:
        raise ModelError(f"{source} is refused: {path!r} leaves the bundle's folder")
    return "/".join(parts[:-1]), parts[-1]


def _copy(stream: IO[bytes], target: Path) -> None:
    """Copy a file; ModelError if it exceeds the largest size of a bundle's file."""
    left = MAX_FILE_BYTES
    with target.open("xb") as copy:
        while chunk := stream.read(1 << 20):
            left -= len(chunk)
            if left < 0:
                raise ModelError(
                    f"{target.name!r} is refused: larger than {MAX_FILE_BYTES >> 20} MB"
                )
            copy.write(chunk)
