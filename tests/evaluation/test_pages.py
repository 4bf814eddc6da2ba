"""What is made of a network's answers: figures, pages, and what refuses to be one."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support import SAMPLES, write_idx, write_labelled_samples
from typer.testing import CliRunner

from tagger.bundles.bundle import Bundle, find_bundle, load_bundle, models_folder
from tagger.cli import app
from tagger.datasets.records import LabelledImages
from tagger.errors import DataError, EvaluationError
from tagger.evaluation.pages import check_target, write_evaluation
from tagger.evaluation.predictions import (
    Answers,
    ask,
    examples,
    measure,
    photograph_of,
    worst_mistakes,
)
from tagger.evaluation.results import compare_bundles, evaluate
from tagger.labels import OTHER
from tagger.records import (
    AMBIGUOUS,
    PREPARING,
    ModelIdentity,
    Policy,
)

TAGS = ("Hat", "Scarf", "Glove")


class Fixed:
    """Says what it was told to say, whatever it is shown."""

    def __init__(self, rows: NDArray[np.float32], labels: tuple[str, ...]) -> None:
        self.identity = ModelIdentity("fixed", "0" * 64, labels, PREPARING)
        self._rows = rows

    def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._rows[: len(batch)]


def answers(
    labels: list[str], rows: list[list[float]], threshold: float = 0.5
) -> Answers:
    """Ask a network of hats, scarves and gloves, which says `rows`."""
    count = len(labels)
    names = np.arange(count).astype(str)
    views = np.zeros((count, 28, 28, 3), np.uint8)
    data = LabelledImages("some", views, np.array(labels, np.str_), names, names)
    known = (*TAGS, OTHER)[: len(rows[0])]
    network = Fixed(np.array(rows, np.float32), known)
    return ask(network, data, Policy(threshold))


def test_what_is_no_item_is_wrong_where_it_is_accepted_and_ambiguous_is_neither() -> (
    None
):
    found = measure(
        answers(
            ["Hat", "Hat", "Scarf", "Glove", OTHER, OTHER, OTHER, AMBIGUOUS],
            [
                [0.9, 0.1, 0.0, 0.0],  # right, accepted
                [0.4, 0.3, 0.3, 0.0],  # right, flagged
                [0.9, 0.1, 0.0, 0.0],  # wrong, accepted
                [0.1, 0.0, 0.2, 0.7],  # right, taken for no item
                [0.1, 0.8, 0.0, 0.1],  # accepted, and no item
                [0.2, 0.1, 0.0, 0.7],  # as it should be
                [0.3, 0.3, 0.2, 0.2],
                [0.0, 0.9, 0.1, 0.0],  # accepted, and nobody can say
            ],
        )
    )

    assert (found.images, found.items) == (8, 4)
    assert (found.accuracy.count, found.accuracy.of) == (3, 4)
    assert (found.coverage.count, found.coverage.of) == (2, 4)
    precision = found.accepted_precision
    assert (precision.count, precision.of) == (1, 3)
    assert (found.felt_right.count, found.felt_right.of) == (1, 4)
    assert (found.other_accepted.count, found.other_accepted.of) == (1, 3)
    assert (found.ambiguous_accepted.count, found.ambiguous_accepted.of) == (1, 1)
    assert found.confusion.labels == (*TAGS, OTHER, AMBIGUOUS)
    assert sum(map(sum, found.confusion.counts)) == 8
    assert found.confusion.counts[1] == (1, 0, 0)
    assert found.tags["Hat"].precision == pytest.approx(2 / 3)
    assert found.accepted_tags["Scarf"].others == 1
    assert found.accepted_tags["Scarf"].right.share == 0


def test_a_network_without_other_is_measured_too() -> None:
    found = measure(answers(["Hat", "Scarf", OTHER], [[0.6, 0.3, 0.1]] * 3))

    assert found.accuracy.share == 0.5
    assert found.other_accepted.share == 1
    assert found.accepted_precision.share == pytest.approx(1 / 3)


def test_a_tag_that_the_network_lacks_is_named_with_its_count() -> None:
    with pytest.raises(DataError, match=r"fixed has no tag Shoe \(2 images\)"):
        answers(["Hat", "Shoe", "Shoe"], [[0.5, 0.3, 0.2]] * 3)


labels = st.sampled_from([*TAGS, OTHER, AMBIGUOUS])
rows = st.lists(st.floats(0.01, 1), min_size=4, max_size=4)


@given(st.lists(st.tuples(labels, rows), min_size=1, max_size=30), st.floats(0, 1))
def test_every_image_is_counted_once_and_only_mistakes_are_shown_as_such(
    images: list[tuple[str, list[float]]], threshold: float
) -> None:
    told = answers(
        [label for label, _ in images],
        [[one / sum(row) for one in row] for _, row in images],
        threshold,
    )
    found = measure(told)

    assert sum(map(sum, found.confusion.counts)) == found.images == len(images)
    kinds = (found.items, found.other_accepted.of, found.ambiguous_accepted.of)
    assert sum(kinds) == len(images)
    taken = [tag.right for tag in found.accepted_tags.values()]
    assert sum(one.of for one in taken) == found.accepted_precision.of
    assert sum(one.count for one in taken) == found.accepted_precision.count
    worst = worst_mistakes(told, 100)
    assert not told.right[worst].any()
    assert not told.ambiguous[worst].any()
    assert list(told.accepted[worst]) == sorted(told.accepted[worst], reverse=True)
    some = examples(told, 2)
    assert len(set(some)) == len(some)
    assert all((told.data.labels[some] == label).sum() <= 2 for label in TAGS)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    return write_labelled_samples(tmp_path / "samples")


class Page(HTMLParser):
    """What a page asks a browser to fetch, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.text = ""
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "srcset"} or (name == "href" and value):
                self.sources.append(str(value))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_but_itself_and_obeys_no_file_name(
    labelled: Path, tmp_path: Path
) -> None:
    odd = "<script>alert(1)</script>\x1b[31m&.png".replace("/", "|")
    shutil.copy(SAMPLES / "palette.png", labelled / odd)
    with (labelled / "labels.csv").open("a") as stream:
        stream.write(f'"{odd}",Ankle boot\n')  # no boot: it will be among the mistakes
    target = tmp_path / "new" / "evaluation"

    told = CliRunner().invoke(
        app,
        ["model", "evaluate", "shops", str(labelled), "-o", str(target)],
        catch_exceptions=False,
    )

    assert told.exit_code == 0
    page = Page((target / "index.html").read_text(encoding="utf-8"))
    assert all(source.startswith(("data:image/", "#")) for source in page.sources)
    assert not page.tags & {"script", "link", "iframe"}
    assert "<script>alert(1)<|script>\\x1b[31m&.png" in page.text
    assert "\x1b" not in page.text
    assert "Examples" in page.text
    assert {"svg", "text"} <= page.tags  # charts whose colours are the page's
    assert "accepted precision" in page.text
    for chart in ("confusion", "coverage", "reliability"):
        with Image.open(target / f"samples-{chart}.png") as picture:
            assert picture.format == "PNG"
    assert not [path for path in target.iterdir() if path.name.startswith(".")]


def test_the_page_shows_the_photographs_of_the_working_folder(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(labelled)

    write_evaluation(evaluate(find_bundle("shops"), ["."]), tmp_path / "e")

    page = (tmp_path / "e" / "index.html").read_text(encoding="utf-8")
    assert page.count('<img class="photograph"') == page.count('<li class="card') > 0


def test_what_is_left_out_of_what_is_measured_is_told(
    labelled: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(labelled, tmp_path / "copy"))
    told: list[str] = []
    shutil.copy(next(copy.glob("*.jpg")), copy / "unnamed.jpg")

    evaluate(find_bundle("shops"), [str(copy)], tell=told.append)

    (line,) = told
    assert line.endswith("that labels.csv does not name: 1 (unnamed.jpg)")


def test_an_array_is_no_photograph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1").touch()
    monkeypatch.chdir(tmp_path)
    data = answers(["Hat", "Scarf"], [[0.9, 0.1, 0.0]] * 2).data

    assert photograph_of(data, 1) is None


@pytest.mark.parametrize("whole", [True, False])
def test_the_page_shows_how_the_network_was_trained(
    labelled: Path, tmp_path: Path, *, whole: bool
) -> None:
    mine = shutil.copytree(find_bundle("three-block").folder, tmp_path / "mine")
    card = json.loads((mine / "card.json").read_text())
    card["training"]["curves"] = [
        {"loss": 1 / n, "accuracy": 0.5, "val_loss": abs(n - 3.5), "val_accuracy": 0.4}
        for n in range(1, 6)
    ]
    if not whole:  # a stranger's card may hold anything
        card["training"]["curves"][2]["loss"] = "<b>low</b>"
    (mine / "card.json").write_text(json.dumps(card))
    target = tmp_path / "evaluation"

    told = CliRunner().invoke(
        app,
        ["model", "evaluate", str(mine), str(labelled), "-o", str(target)],
        catch_exceptions=False,
    )

    assert told.exit_code == 0
    page = Page((target / "index.html").read_text(encoding="utf-8"))
    assert ("How it was trained" in page.text) is whole
    assert (target / "training-loss.png").is_file() is whole
    assert (target / "training-accuracy.png").is_file() is whole


def test_metrics_hold_what_they_promise(labelled: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(
        app,
        [
            "model",
            "evaluate",
            "shops",
            str(labelled),
            "-o",
            str(tmp_path / "e"),
            "--json",
        ],
        catch_exceptions=False,
    )

    printed = json.loads(told.stdout)
    written = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert printed["sections"] == written["sections"]
    readme = (models_folder() / "README.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([\w.]+)` \|", readme, re.MULTILINE))
    (section,) = written["sections"]
    top = set(written) | {f"sections.{name}" for name in section}
    assert top == {name for name in documented if name.split(".")[0] in written}
    assert written["bundle"]["name"] == "shops"
    assert section["images"] == 20
    assert 0 <= section["accuracy"]["low"] <= section["accuracy"]["share"] <= 1
    assert section["curve"][-1]["coverage"] >= section["curve"][0]["coverage"]


def test_several_sets_have_a_section_each_and_one_table(
    labelled: Path, tmp_path: Path
) -> None:
    arrays = tmp_path / "samples (idx)"
    arrays.mkdir()
    chance = np.random.default_rng(1)
    write_idx(
        arrays / "t10k-images-idx3-ubyte.gz",
        chance.integers(0, 256, (12, 28, 28), np.uint8),
    )
    write_idx(
        arrays / "t10k-labels-idx1-ubyte.gz", (np.arange(12) % 10).astype(np.uint8)
    )
    bundle = find_bundle("three-block")

    evaluation = evaluate(bundle, [str(labelled), str(arrays), str(labelled)])
    write_evaluation(evaluation, tmp_path / "e")

    page = (tmp_path / "e" / "index.html").read_text(encoding="utf-8")
    for slug in ("samples", "samples-idx-test", "samples-3"):
        assert f'<section id="{slug}">' in page
        assert (tmp_path / "e" / f"{slug}-coverage.png").is_file()
    assert "mean of the sets" in page
    accuracies = [s.figures.accuracy.share or 0.0 for s in evaluation.sections]
    assert evaluation.overall["accuracy"] == pytest.approx(np.mean(accuracies))


@pytest.fixture
def hats(tmp_path: Path) -> tuple[Bundle, Path]:
    """The articles' network with ten tags of a shop's own, and pictures of them."""
    folder = shutil.copytree(models_folder() / "three-block", tmp_path / "hats")
    card = json.loads((folder / "card.json").read_text())
    card["labels"] = ["Hat $^$ {", "Scarf", *(f"Thing {n}" for n in range(7)), "手袋"]
    card["name"] = "hats"
    (folder / "card.json").write_text(json.dumps(card))
    for tag, sample in (("scarf", "tiny.png"), ("手袋", "plain.bmp")):
        (tmp_path / "mine" / tag).mkdir(parents=True)
        shutil.copy(SAMPLES / sample, tmp_path / "mine" / tag)
    return load_bundle(folder), tmp_path / "mine"


def test_a_shop_may_have_tags_of_its_own(
    hats: tuple[Bundle, Path], labelled: Path, tmp_path: Path
) -> None:
    bundle, mine = hats

    evaluation = evaluate(bundle, [str(mine)])
    write_evaluation(evaluation, tmp_path / "e")

    assert evaluation.sections[0].figures.items == 2
    assert set(evaluation.sections[0].figures.tags) == set(bundle.card.labels)
    with pytest.raises(DataError, match=r"labels that are not tags: 14 \(Sneaker, "):
        evaluate(bundle, [str(labelled)])


def test_networks_of_other_tags_are_compared_only_on_what_both_know(
    hats: tuple[Bundle, Path], labelled: Path
) -> None:
    with pytest.raises(DataError, match="the network hats has no tag Sneaker"):
        compare_bundles((hats[0], find_bundle("shops")), [str(labelled)])


def test_what_is_no_evaluation_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    (tmp_path / "file").touch()

    with pytest.raises(EvaluationError, match="has other content"):
        check_target(tmp_path / "mine")
    with pytest.raises(EvaluationError, match="is not a folder"):
        check_target(tmp_path / "file")
    check_target(tmp_path / "absent")


def test_an_evaluation_that_cannot_be_written_says_so(
    labelled: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    evaluation = evaluate(find_bundle("shops"), [str(labelled)])

    with pytest.raises(EvaluationError, match="cannot write"):
        write_evaluation(evaluation, tmp_path / "file" / "e")


def test_comparing_tells_how_and_how_sure(labelled: Path) -> None:
    arguments = ["model", "compare", "three-block", "shops", str(labelled)]

    plain = CliRunner().invoke(app, arguments, catch_exceptions=False)
    told = CliRunner().invoke(
        app,
        [*arguments, str(labelled), "--json", "--resamples", "200"],
        catch_exceptions=False,
    )

    said = " ".join(plain.stdout.split())  # folded where the folder's name is long
    assert "McNemar's exact test p =" in said
    assert "2,000 resamples, seed 1" in said
    found = json.loads(told.stdout)
    assert (found["first"], found["second"]) == ("three-block", "shops")
    assert [one["source"] for one in found["compared"]][-1] == "all together"
    one, _, both = (each["comparison"] for each in found["compared"])
    assert both["items"] == 2 * one["items"]
    assert both["groups"] == 2 * one["groups"]
    assert both["accuracy"]["difference"] == pytest.approx(
        one["accuracy"]["difference"]
    )


def test_one_group_says_nothing_about_chance(labelled: Path) -> None:
    table = (labelled / "labels.csv").read_text().splitlines()
    grouped = ["file,label,group", *(f"{line},same" for line in table[1:])]
    (labelled / "labels.csv").write_text("\n".join(grouped))

    with pytest.raises(DataError, match="all of one group"):
        compare_bundles((find_bundle("shops"), find_bundle("shops")), [str(labelled)])


def write_groups(labelled: Path, group_of: Callable[[int, str], str]) -> None:
    """Give every line of a `labels.csv` a group, by its number and its label."""
    _, *lines = (labelled / "labels.csv").read_text().splitlines()
    rows = [
        f"{line},{group_of(number, line.split(',')[1])}"
        for number, line in enumerate(lines)
    ]
    (labelled / "labels.csv").write_text("\n".join(["file,label,group", *rows]))


def test_groups_of_what_is_no_item_are_drawn_and_not_counted(labelled: Path) -> None:
    networks = find_bundle("three-block"), find_bundle("shops")
    write_groups(labelled, lambda _, label: "o" if label == OTHER else "g")

    with pytest.raises(DataError, match="its items are all of one group"):
        compare_bundles(networks, [str(labelled)])


def test_as_many_groups_are_told_as_hold_items(labelled: Path) -> None:
    networks = find_bundle("three-block"), find_bundle("shops")
    write_groups(labelled, lambda n, label: "o" if label == OTHER else f"g{n % 3}")

    (told,) = compare_bundles(networks, [str(labelled)])

    assert (told.comparison.items, told.comparison.groups) == (14, 3)
