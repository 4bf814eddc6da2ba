import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SAMPLES, write_idx

from tagger.datasets.load import load, load_test_part, tag_named
from tagger.datasets.records import LabelledImages, split
from tagger.errors import DataError
from tagger.imaging.prepare import prepare
from tagger.records import FASHION_LABELS, PreparedImage


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


@pytest.fixture
def idx(tmp_path: Path) -> Path:
    folder = tmp_path / "idx"
    folder.mkdir()
    chance = np.random.default_rng(1)
    for part, count in (("train", 30), ("t10k", 20)):
        images = chance.integers(0, 256, (count, 28, 28), np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        labels = (np.arange(count) % 10).astype(np.uint8)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


def test_idx_files_are_read_in_their_parts(idx: Path) -> None:
    training, test = load(str(idx)), load_test_part(str(idx))

    assert test is not None
    assert training.images.shape == (30, 28, 28, 3)
    assert (len(training), len(test)) == (30, 20)
    assert training.labels[:10].tolist() == list(FASHION_LABELS)
    assert len(set(training.groups)) == 30


def test_unpacked_idx_files_are_read_too(idx: Path) -> None:
    before = load(str(idx))
    for path in idx.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()

    np.testing.assert_array_equal(load(str(idx)).images, before.images)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("train-images-idx3-ubyte.gz", b"not gzip", "not an IDX file"),
        ("train-images-idx3-ubyte.gz", packed(b"ab"), "of Fashion-MNIST"),
        ("train-labels-idx1-ubyte.gz", None, "No such file"),
        (
            "train-labels-idx1-ubyte.gz",
            packed(b"\0\0\x08\x03" * 9),
            "header says 0x803",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            packed(b"\0\0\x08\x01\0\0\0\x02\x01\x02"),
            "do not belong together",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            packed(b"\0\0\x08\x01\0\0\0\x1e" + b"\x0b" * 30),
            "30 labels are not those of Fashion-MNIST",
        ),
        (
            "train-images-idx3-ubyte.gz",
            packed(b"\0\0\x08\x03" + b"\0" * 8)[:-12] + b"damaged bytes",
            "not an IDX file of Fashion-MNIST",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            packed(b"\0\0\x08\x01\0\0\0\x1e" + b"\x01" * 30),
            "two tags are needed, found: Trouser",
        ),
    ],
)
def test_idx_files_that_cannot_be_used_are_named(
    idx: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is None:
        (idx / name).unlink()
    else:
        (idx / name).write_bytes(content)

    with pytest.raises(DataError, match=says):
        load(str(idx))


def test_the_csv_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fashion.csv"
    header = ",".join(["label", *(f"pixel{n}" for n in range(1, 785))])
    lines = [",".join(map(str, [label, *[label] * 784])) for label in (3, 0)]
    path.write_text("\n".join([header, *lines]))

    data = load(str(path))

    assert data.labels.tolist() == ["Dress", "T-shirt/top"]
    assert data.images[0, 5, 5, 0] == 3
    assert load_test_part(str(path)) is None
    path.write_text("\n".join(lines))  # without a header nothing is lost
    assert load(str(path)).labels.tolist() == ["Dress", "T-shirt/top"]
    path.write_text("\n".join(lines), encoding="utf-8-sig")  # as Excel saves it
    assert load(str(path)).labels.tolist() == ["Dress", "T-shirt/top"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("label,a\n1,2\n", "not a CSV file of Fashion-MNIST"),
        ("a\nx\n", "not a CSV file of Fashion-MNIST"),
        ("label,a\n", "no images"),
        ("", "no images"),
        (",".join(["1"] * 785) + "\n" + ",".join(["999"] * 785), "between 0 and 255"),
        (",".join(["1"] * 785) + "\n" + ",".join(["99"] * 785), "1 labels are not"),
        (",".join(["-1", *["1"] * 784]) + "\n" + ",".join(["1"] * 785), "1 labels are"),
    ],
)
def test_a_csv_that_cannot_be_used_is_named(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "fashion.csv").write_text(text)

    with pytest.raises(DataError, match=says):
        load(str(tmp_path / "fashion.csv"))


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Folders named by their tags, as people write them."""
    root = tmp_path / "by tag"
    for name, sample in (
        ("t-shirt", "palette.png"),
        ("Ankle_Boot", "plain.bmp"),
        ("other", "cactus.jpg"),
    ):
        (root / name).mkdir(parents=True)
        shutil.copy(SAMPLES / sample, root / name)
    return root


def test_folders_named_by_their_tags_are_read(folders: Path) -> None:
    data = load(str(folders))

    assert data.labels.tolist() == ["Ankle boot", "other", "T-shirt/top"]
    boot = prepare(SAMPLES / "plain.bmp")
    assert isinstance(boot, PreparedImage)
    np.testing.assert_array_equal(data.images[0], boot.pixels)


def test_a_folder_that_is_no_tag_is_named(folders: Path) -> None:
    (folders / "Hats").mkdir()

    with pytest.raises(DataError, match=r"not tags: 1 \(Hats\)"):
        load(str(folders))


def test_pictures_that_are_left_out_of_folders_are_told(folders: Path) -> None:
    shutil.copy(SAMPLES / "plain.bmp", folders / "loose.bmp")
    (folders / "Bag").mkdir()
    for number in range(4):
        (folders / "other" / f"{number}.PSD").touch()
    (folders / "other" / "notes.txt").touch()
    told: list[str] = []

    load(str(folders), tell=told.append)

    assert told == [
        f"{folders}: left out pictures in no folder of a tag: 1 (loose.bmp)",
        (
            f"{folders}: left out pictures in formats that tagger does not read: 4 "
            "(other/0.PSD, other/1.PSD, other/2.PSD, …)"
        ),
        f"{folders}: folders without pictures: 1 (Bag)",
    ]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("Jeans", "jeans"), r"so from .*: 1 \(Jeans and jeans\)"),
        (("T-Shirt", "t shirt"), r"1 \(T-Shirt and t shirt\)"),
        (("Jeans", "Other", "Skirt"), r"1 \(Other and other\)"),
        (("Jeans", "AMBIGUOUS", "Skirt"), r"1 \(AMBIGUOUS and ambiguous\)"),
    ],
)
def test_custom_tags_that_would_be_read_back_as_one_are_refused(
    tmp_path: Path, names: tuple[str, ...], says: str
) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        shutil.copy(SAMPLES / "plain.bmp", tmp_path / name)

    with pytest.raises(DataError, match=says):
        load(str(tmp_path), custom_tags=True)


def test_custom_tags_are_taken_as_they_stand(tmp_path: Path) -> None:
    for name in ("कुर्ता", "कुर्ती", "other", "+", "++"):
        (tmp_path / name).mkdir()
        shutil.copy(SAMPLES / "plain.bmp", tmp_path / name)

    data = load(str(tmp_path), custom_tags=True)

    assert sorted(data.labels) == ["+", "++", "other", "कुर्ता", "कुर्ती"]
    tags = tuple(data.labels.tolist())
    assert load(str(tmp_path), tags=tags).labels.tolist() == data.labels.tolist()


def test_pictures_that_cannot_be_read_are_counted(folders: Path) -> None:
    for number in range(5):
        (folders / "other" / f"{number}.jpg").write_bytes(b"no picture")

    with pytest.raises(DataError, match=r"cannot be read: 5 \(.*0\.jpg .*, …\)"):
        load(str(folders))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    folder = tmp_path / "labelled"
    (folder / "images").mkdir(parents=True)
    for name in ("palette.png", "plain.bmp", "cactus.jpg"):
        shutil.copy(SAMPLES / name, folder / "images")
    (folder / "labels.csv").write_text(
        "file,label,group\npalette.png,T-shirt/top,a\nplain.bmp,Ankle boot,b\n"
        "cactus.jpg,other,b\n"
    )
    return folder


def test_a_folder_with_labels_is_read(labelled: Path) -> None:
    data = load(str(labelled))

    assert data.labels.tolist() == ["T-shirt/top", "Ankle boot", "other"]
    assert data.groups.tolist() == ["a", "b", "b"]
    assert data.names[0].endswith("palette.png")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,label\ngone.jpg,Bag\n", r"do not exist: 1 \(gone\.jpg\)"),
        ("file,label\nplain.bmp,Hat\n", r"not tags: 1 \(Hat\)"),
        ("name,label\nplain.bmp,Bag\n", "needs the columns"),
        ("file,label\n", "no labelled images"),
        (
            "file,label\nplain.bmp,Bag\nplain.bmp,Coat\n",
            r"more than once: 1 \(plain\.bmp\)",
        ),
        (
            "file,label\nplain.bmp,Bag\n./plain.bmp,Coat\nx/../plain.bmp,Coat\n",
            r"more than once: 1 \(plain\.bmp\)",
        ),
        ("file,label\nplain.bmp\n", r"gives files no label: 1 \(plain\.bmp\)"),
        ("file,label\n\n,\n", r"do not exist: 1 \(line 3\); .* no label: 1 \(line 3\)"),
        (
            "file,label\ngone.jpg,Bag\nplain.bmp,Hat\n",
            r"do not exist: 1 \(gone\.jpg\); has labels that are not tags: 1 \(Hat\)",
        ),
        ("file,label\nplain.bmp,Bag\n", "found: Bag"),
        ("file,label\nplain.bmp,other\n", "found: none"),
    ],
)
def test_labels_that_do_not_fit_their_folder_are_named(
    labelled: Path, text: str, says: str
) -> None:
    (labelled / "labels.csv").write_text(text)

    with pytest.raises(DataError, match=says):
        load(str(labelled))


def test_pictures_that_labels_leave_out_are_told(labelled: Path) -> None:
    (labelled / "labels.csv").write_text(
        "file,label\npalette.png,T-shirt/top\n./plain.bmp,Ankle boot\n"
    )
    shutil.copy(SAMPLES / "plain.bmp", labelled / "beside.bmp")
    told: list[str] = []

    assert len(load(str(labelled), tell=told.append)) == 2
    assert told == [
        (
            f"{labelled}: left out pictures that labels.csv does not name: 2 "
            "(beside.bmp, images/cactus.jpg)"
        )
    ]


def test_sources_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load(str(tmp_path / "absent"))
    with pytest.raises(DataError, match="only keras:fashion_mnist"):
        load("keras:mnist")
    with pytest.raises(DataError, match="no labelled images"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("T-shirt/top", "T-shirt/top"),
        ("T-Shirt_top", "T-shirt/top"),
        ("tshirt", "T-shirt/top"),
        ("ANKLE-BOOT", "Ankle boot"),
        ("Other", "other"),
        ("skirt", None),
        ("", None),
        ("+", None),
    ],
)
def test_tags_are_known_however_they_are_written(text: str, tag: str | None) -> None:
    assert tag_named(text) == tag


@pytest.mark.parametrize("tag", ["Jeans", "jeans", "Other", "other", "+", "Cafe\u0301"])
def test_a_tag_that_is_written_exactly_comes_first(tag: str) -> None:
    assert tag_named(tag, ("Jeans", "jeans", "Other", "+", "Cafe\u0301")) == tag
    assert tag_named("café", ("Cafe\u0301",)) == "Cafe\u0301"


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_a_split_loses_nothing_and_cuts_no_group(
    groups: list[int], share: float, seed: int
) -> None:
    count = len(groups)
    names = np.arange(count).astype(str)
    data = LabelledImages(
        "some",
        np.zeros((count, 28, 28, 3), np.uint8),
        np.full(count, "Bag"),
        np.array(groups).astype(str),
        names,
    )

    rest, held_back = split(data, share, seed)

    assert sorted([*rest.names, *held_back.names]) == sorted(names)
    assert not set(rest.groups) & set(held_back.groups)
    largest = max(groups.count(group) for group in groups)
    assert share * count - 1e-9 <= len(held_back) <= share * count + largest
