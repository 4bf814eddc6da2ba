"""Which network is in force for an inventory, from the rows that tell what befell."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagger.bundles.adapted import (
    adapted_bundles,
    adapted_folder,
    bundle_in_force,
    forget_refused,
    in_force,
    next_name,
    previous,
    rolled_back,
)
from tagger.bundles.bundle import (
    CARD_FILE,
    ModelCard,
    default_bundle,
    sha256_of,
    write_card,
)
from tagger.errors import ModelError
from tagger.records import (
    FASHION_LABELS,
    FIRST_PREPARING,
    PREPARING,
    Adaptation,
    Outcome,
    Policy,
)

Make = Callable[[str], str]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "inventory.db"


@pytest.fixture
def make(database: Path) -> Make:
    """Write a bundle beside the inventory; return the digest of its network."""

    def write(name: str) -> str:
        folder = adapted_folder(database) / name
        folder.mkdir(parents=True)
        files = {}
        for file in ("model.keras", "model.tflite"):
            (folder / file).write_text(name + file)
            files[file] = sha256_of(folder / file)
        card = ModelCard(name, FASHION_LABELS, PREPARING, Policy(0.9), 3, files)
        write_card(folder, card)
        return card.digest

    return write


def row(
    outcome: Outcome, bundle: str = "", digest: str = "", *, beside: bool = True
) -> Adaptation:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    return Adaptation(
        1, moment, outcome, bundle, beside, digest, "p" * 64, 60, 60, {}, "because"
    )


def promoted(bundle: str, digest: str) -> Adaptation:
    return row(Outcome.PROMOTED, bundle, digest)


def test_without_rows_the_users_network_is_in_force(database: Path) -> None:
    assert in_force([]) is None
    assert bundle_in_force(database, []) == default_bundle()


def test_an_own_network_of_another_recipe_says_the_way_to_a_new_one(
    database: Path, make: Make
) -> None:
    digest = make("shops-1")
    card = adapted_folder(database) / "shops-1" / CARD_FILE
    card.write_text(card.read_text().replace(PREPARING, "views28-0"))

    way = r"preprocessing views28-0.*'tagger model rollback', then 'tagger model adapt'"
    with pytest.raises(ModelError, match=way):
        bundle_in_force(database, [promoted("shops-1", digest)])


def test_an_own_network_of_a_recipe_that_is_alike_goes_on(
    database: Path, make: Make
) -> None:
    digest = make("shops-1")
    card = adapted_folder(database) / "shops-1" / CARD_FILE
    card.write_text(card.read_text().replace(PREPARING, FIRST_PREPARING))

    found = bundle_in_force(database, [promoted("shops-1", digest)]).card

    assert found.preparing == FIRST_PREPARING  # what it learnt from
    assert found.identity.preparing == PREPARING  # what it is asked about


def test_the_newest_promotion_is_in_force_and_a_refusal_is_not(
    database: Path, make: Make
) -> None:
    rows = [
        promoted("shops-1", make("shops-1")),
        promoted("shops-2", make("shops-2")),
        row(Outcome.REFUSED, "shops-3", make("shops-3")),
    ]

    assert bundle_in_force(database, rows).card.name == "shops-2"


def test_a_named_network_beats_the_inventorys_own(database: Path, make: Make) -> None:
    rows = [promoted("shops-1", make("shops-1"))]

    assert bundle_in_force(database, rows, "three-block").card.name == "three-block"


def test_going_back_goes_back_step_by_step(database: Path, make: Make) -> None:
    rows = [promoted(name, make(name)) for name in ("shops-1", "shops-2")]

    rows.append(rolled_back(database, rows))
    assert bundle_in_force(database, rows).card.name == "shops-1"
    rows.append(rolled_back(database, rows))
    assert not rows[-1].beside
    assert bundle_in_force(database, rows) == default_bundle()
    with pytest.raises(ModelError, match="no network of this inventory's own"):
        rolled_back(database, rows)


def test_after_going_back_the_next_promotion_stands_on_what_was_gone_back_to(
    database: Path, make: Make
) -> None:
    rows = [promoted(name, make(name)) for name in ("shops-1", "shops-2")]
    rows.append(rolled_back(database, rows))
    rows.append(promoted("shops-3", make("shops-3")))

    found = previous(database, rows)

    assert found is not None
    assert found.bundle == "shops-1"


def test_going_back_passes_over_what_is_damaged(database: Path, make: Make) -> None:
    rows = [promoted(name, make(name)) for name in ("shops-1", "shops-2", "shops-3")]
    (adapted_folder(database) / "shops-2" / "model.keras").write_text("other")

    rows.append(rolled_back(database, rows))

    assert bundle_in_force(database, rows).card.name == "shops-1"


@pytest.mark.parametrize("damage", ["gone", "other bytes", "another network"])
def test_a_network_that_is_gone_stops_everything(
    database: Path, make: Make, damage: str
) -> None:
    rows = [promoted("shops-1", make("shops-1"))]
    weights = adapted_folder(database) / "shops-1" / "model.keras"
    if damage == "gone":
        weights.unlink()
    elif damage == "other bytes":
        weights.write_text("other")
    else:
        rows = [promoted("shops-1", "0" * 64)]

    with pytest.raises(ModelError, match=r"restore .* or go back with 'tagger model r"):
        bundle_in_force(database, rows)


def test_names_count_up_whatever_became_of_them(database: Path, make: Make) -> None:
    assert next_name(database, [], "shops") == "shops-1"
    make("shops-1")
    make("shops-10")
    make("others-30")

    assert next_name(database, [], "shops") == "shops-11"
    rows = [promoted("shops-20", "0" * 64)]  # whose folder is lost
    assert next_name(database, rows, "shops") == "shops-21"


def test_a_name_that_was_refused_and_promoted_is_kept(
    database: Path, make: Make
) -> None:
    rows = [
        promoted("shops-1", make("shops-1")),
        row(Outcome.REFUSED, "shops-1", "0" * 64),
        row(Outcome.REFUSED, "shops-2", make("shops-2")),
    ]

    forget_refused(database, rows, keep=1)

    assert [one.name for one in adapted_bundles(database, rows)] == [
        "shops-1",
        "shops-2",
    ]


def test_of_refused_networks_the_newest_is_kept(database: Path, make: Make) -> None:
    names = [f"shops-{n}" for n in (1, 2, 3)]
    rows = [row(Outcome.REFUSED, name, make(name)) for name in names]
    rows.append(promoted("shops-4", make("shops-4")))

    forget_refused(database, rows, keep=1)

    found = adapted_bundles(database, rows)
    assert [one.name for one in found] == ["shops-3", "shops-4"]
    assert [one.in_force for one in found] == [False, True]
    assert found[0].fate == "refused 2026-11-22"


def test_a_refused_row_names_no_folder_outside(database: Path, make: Make) -> None:
    make("shops-1")
    rows = [
        row(Outcome.REFUSED, name, "x") for name in ("..", "../x", "", ".", "shops-9")
    ]

    forget_refused(database, rows, keep=0)

    assert adapted_bundles(database, [])[0].fate == "not recorded"


def test_a_damaged_bundle_is_listed_with_what_is_wrong(
    database: Path, make: Make
) -> None:
    make("shops-1")
    (adapted_folder(database) / "shops-1" / "model.keras").write_text("other")

    (found,) = adapted_bundles(database, [])

    assert found.bundle is None
    assert "is not the file its card describes" in found.problem
