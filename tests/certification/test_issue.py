"""What audits testify in an inventory, and `tagger certify` from draw to scan."""

import io
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from rich.console import Console
from support import SAMPLES, FakeClassifier
from support.audits import BUNDLED, NETWORK, answer_audit, certified, say, scan, stock
from support.inventories import ROOT, digest_of, raw, tagged
from support.program import Tagger

from tagger.bundles.bundle import DEFAULT_BUNDLE, KERAS_FILE, find_bundle
from tagger.certification.issue import as_of_now, certify_network
from tagger.certification.sequential_testing import JOINT, STARTS, answers_needed
from tagger.certification.summary import (
    FIRST_CERTIFICATE,
    FIRST_FROM,
    auto_tagging_stats,
    next_steps,
    warnings,
)
from tagger.errors import ModelError
from tagger.inventory import Inventory, decisions
from tagger.inventory.records import (
    Decision,
    DecisionKind,
    PreviousPolicy,
    Selection,
)
from tagger.labels import OTHER
from tagger.policy.calibration import CERTAINTY, TARGET_PRECISION
from tagger.policy.decide import decide
from tagger.policy.label_shift import Mix
from tagger.records import (
    PREPARING,
    Adaptation,
    Certificate,
    Claim,
    ImageFile,
    ModelIdentity,
    Outcome,
    Policy,
    Prediction,
)
from tagger.report import render

NEVER_AUDITED = (
    "How many accepted pictures are right is not measured yet: run "
    "'tagger review --audit 100'"
)


@pytest.fixture
def shelf(inventory: Inventory) -> Inventory:
    """An inventory of 200 accepted pictures and 100 flagged ones."""
    scan(inventory, stock(200, 0.99) | stock(100, 0.7, start=200), BUNDLED)
    return inventory


def certificate(inventory: Inventory, precision: float = 0.97) -> Certificate:
    return certified(inventory, precision).certificate


def test_what_was_drawn_by_another_mix_is_no_evidence(shelf: Inventory) -> None:
    answer_audit(shelf, shelf.draw_audit(50, "anna"))
    assert shelf.audit_evidence(NETWORK.digest).pictures == 50

    share = 1 / len(NETWORK.labels)
    even = (share,) * len(NETWORK.labels)
    with shelf.recording(NETWORK, options={}) as recording:
        recording.keep_mix(ROOT, Mix(even, even, 300))
        recording.finish([ROOT], exit_code=0, counts={})
    assert shelf.audit_evidence(NETWORK.digest).pictures == 0

    answer_audit(shelf, shelf.draw_audit(20, "anna"))
    assert shelf.audit_evidence(NETWORK.digest).pictures >= 20


def test_only_what_was_drawn_is_evidence(shelf: Inventory) -> None:
    for number in range(200, 300):  # the whole queue, all wrong
        shelf.decide_all(
            [(say(digest_of(number), "Bag"), "")], reviewer="a", source="x"
        )
    answer_audit(shelf, shelf.draw_audit(50, "anna"))

    heard = shelf.audit_evidence(NETWORK.digest)

    assert len(heard.answers) == 50
    assert all(one.right for one in heard.answers)
    assert {one.drawn_by.threshold for one in heard.answers} == {0.96}


def test_an_audit_below_the_threshold_takes_the_queues_answers_where_it_drew_them(
    shelf: Inventory,
) -> None:
    for number in range(200, 300):
        shelf.decide_all(
            [(say(digest_of(number), "Bag"), "")], reviewer="a", source="x"
        )
    audit = shelf.draw_audit(300, "anna", least=0.5)
    assert audit is not None

    # A tenth of the hundred, by lot, is asked about again; the rest answers itself.
    assert 70 <= audit.answered < 100
    answer_audit(shelf, audit, wrong=map(digest_of, range(200, 300)))
    heard = shelf.audit_evidence(NETWORK.digest)

    assert len(heard.answers) == 300
    assert sum(one.right for one in heard.answers) == 200
    assert heard.from_queue == audit.answered
    assert not heard.contradictions
    assert shelf.draw_audit(9, "anna", least=0.5) is None


def test_of_an_audit_under_way_the_answers_so_far_count_and_what_was_passed_over(
    shelf: Inventory,
) -> None:
    audit = shelf.draw_audit(50, "anna")
    assert audit is not None
    with shelf.reviewing("anna", Selection(audit_id=audit.id)) as opened:
        drawn = opened.take(50, without=())
        for item in (*drawn[:10], *drawn[12:20]):
            opened.decide([say(item.digest, item.tag)], {item.digest: None})

    heard = shelf.audit_evidence(NETWORK.digest)

    assert len(heard.answers) == 20
    assert [n for n, one in enumerate(heard.answers) if not one.right] == [10, 11]
    assert (heard.skipped, heard.waiting) == (2, 30)


def test_an_audit_that_is_only_drawn_takes_nothing_back(shelf: Inventory) -> None:
    """What an audit before it had answered is no sign of how far it was asked."""
    answer_audit(shelf, shelf.draw_audit(100, "anna"))
    before = certificate(shelf)

    shelf.draw_audit(100, "anna", least=0.5)

    heard = shelf.audit_evidence(NETWORK.digest)
    assert heard.skipped == 0
    assert heard.waiting > 0
    assert all(one.right for one in heard.answers)
    assert certificate(shelf).policy == before.policy


def test_answers_that_come_from_another_inventory_pass_nothing_over(
    shelf: Inventory,
) -> None:
    audit = shelf.draw_audit(50, "anna")
    assert audit is not None
    with shelf.reviewing("anna", Selection(audit_id=audit.id)) as opened:
        last = opened.take(50, without=())[-1]
    theirs = Decision(
        0, say(last.digest, last.tag), "ben", datetime.now(UTC), "audit", None
    )
    shelf.merge_decisions([theirs])

    heard = shelf.audit_evidence(NETWORK.digest)

    assert (heard.skipped, heard.waiting) == (0, 49)


def test_a_policy_with_a_tag_below_the_joint_threshold_rests_on_that_tag(
    shelf: Inventory,
) -> None:
    """However the joint threshold came out: the mixture of both was never tested."""
    found = replace(
        certificate(shelf),
        claims=(
            Claim(None, 300, 300, 0.8, 0, 0.8),
            Claim("Bag", 300, 300, 0.5, 0, 0.5),
        ),
    )

    assert replace(found, policy=Policy(0.8, 0.0, {"Coat": 0.9})).joint
    assert not replace(found, policy=Policy(0.8, 0.0, {"Bag": 0.5})).joint


def test_what_is_no_catalogue_item_is_wrong(shelf: Inventory) -> None:
    audit = shelf.draw_audit(3, "anna")
    assert audit is not None
    with shelf.reviewing("anna", Selection(audit_id=audit.id)) as opened:
        for item in opened.take(3, without=()):
            opened.decide([say(item.digest, None)], {item.digest: None})

    assert [one.right for one in shelf.audit_evidence(NETWORK.digest).answers] == [
        False
    ] * 3


def test_contradicting_decisions_are_shown_and_never_count_as_right(
    shelf: Inventory,
) -> None:
    answer_audit(shelf, shelf.draw_audit(200, "anna"))
    for number, tag in ((1, "Bag"), (2, "T-shirt/top")):
        shelf.decide_all(
            [(say(digest_of(number), tag), "")], reviewer="bert", source="review"
        )
    # And back again: two still differ, whatever is in force.
    shelf.decide_all(
        [(say(digest_of(1), "T-shirt/top"), "")], reviewer="carla", source="review"
    )

    heard = shelf.audit_evidence(NETWORK.digest)

    assert [one.path for one in heard.contradictions] == [f"{ROOT}/00001.jpg"]
    assert heard.contradictions[0].reviewers == ("anna", "bert", "carla")
    wrong = [one.digest for one in heard.answers if not one.right]
    assert wrong == [digest_of(1)]


def test_a_correction_of_ones_own_is_no_contradiction(shelf: Inventory) -> None:
    answer_audit(shelf, shelf.draw_audit(200, "anna"), wrong=[digest_of(1)])
    shelf.decide_all(
        [(say(digest_of(1), "T-shirt/top"), "")], reviewer="anna", source="review"
    )

    heard = shelf.audit_evidence(NETWORK.digest)

    assert not heard.contradictions
    assert all(one.right for one in heard.answers)


def test_who_answers_by_chance_is_found_out(shelf: Inventory) -> None:
    chance = np.random.default_rng(3)
    some = ("Bag", "Coat", "Dress", "Shirt", "Trouser")
    for number in range(200, 300):
        given = say(digest_of(number), str(chance.choice(some)))
        shelf.decide_all([(given, "")], reviewer="dora", source="review")
    audit = shelf.draw_audit(300, "dora", least=0.5)
    assert audit is not None
    with shelf.reviewing("dora", Selection(audit_id=audit.id)) as opened:
        for item in opened.take(300, without=()):
            shown = {item.digest: item.in_force.id if item.in_force else None}
            opened.decide([say(item.digest, str(chance.choice(some)))], shown)

    heard = shelf.audit_evidence(NETWORK.digest)

    (agreement,) = heard.agreements
    assert agreement.reviewer == "dora"
    assert agreement.asked_again == 100 - heard.from_queue
    assert agreement.same < agreement.asked_again
    assert len(heard.contradictions) == agreement.asked_again - agreement.same
    told = list(warnings(heard))
    assert told[0].startswith(f"{len(heard.contradictions)} picture")
    assert told[-1].startswith("warning: dora gave the same answer again, blind, to ")


def test_what_was_decided_before_a_network_came_proves_nothing_about_it(
    shelf: Inventory,
) -> None:
    answer_audit(shelf, shelf.draw_audit(100, "anna"))
    with shelf._database.writing() as connection:  # noqa: SLF001  an import of old ones
        early = datetime.now(UTC) - timedelta(days=9)
        for number in range(300):
            answer = say(digest_of(number), "T-shirt/top")
            decisions.merge(
                connection, [Decision(0, answer, "anna", early, "review", None)]
            )

    assert shelf.audit_evidence(NETWORK.digest).answers == ()
    assert shelf.draw_audit(9, "anna", least=0.1) is None


def test_what_was_decided_when_a_network_learnt_proves_nothing_whatever_the_clock(
    shelf: Inventory,
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with shelf._database.writing() as connection:  # noqa: SLF001  a clock a day fast
        for number in range(300):
            answer = say(digest_of(number), "T-shirt/top")
            decisions.merge(
                connection, [Decision(0, answer, "anna", tomorrow, "review", None)]
            )
    learnt = Adaptation(
        id=0,
        at=datetime.now(UTC),
        outcome=Outcome.PROMOTED,
        bundle="shops-1",
        beside=True,
        digest=NETWORK.digest,
        parent_digest="0" * 64,
        decisions=300,
        newest_decision_id=300,
        figures={},
        reason="",
    )
    shelf.record_adaptation(learnt)

    assert shelf.draw_audit(9, "anna", least=0.1) is None


def test_what_another_inventory_took_back_is_asked_again_in_its_audit(
    shelf: Inventory,
) -> None:
    audit = answer_audit(shelf, shelf.draw_audit(20, "anna"))
    (first, *_) = [one for one, _ in shelf.decisions() if isinstance(one, Decision)]
    shelf.merge_decisions([replace(first, undone_at=datetime.now(UTC))])

    heard = shelf.audit_evidence(NETWORK.digest)

    assert (len(heard.answers), heard.waiting + heard.skipped) == (20, 1)
    answer_audit(shelf, audit)
    assert all(one.right for one in shelf.audit_evidence(NETWORK.digest).answers)


def test_the_same_bytes_count_once(inventory: Inventory) -> None:
    twins = {f"{path}.jpg": tagged(1, 0.99) for path in "abc"}
    scan(inventory, twins, BUNDLED)

    audit = answer_audit(inventory, inventory.draw_audit(9, "anna"))

    assert (audit.accepted, audit.sampled) == (1, 1)
    assert len(inventory.audit_evidence(NETWORK.digest).answers) == 1
    assert inventory.undecided(NETWORK.digest, 0.0) == []


def test_an_audit_of_one_tag_draws_that_tag(shelf: Inventory) -> None:
    assert shelf.draw_audit(5, "anna", tag="Bag") is None

    audit = answer_audit(shelf, shelf.draw_audit(5, "anna", tag="T-shirt/top"))

    assert not audit.of_accepted
    claims = certificate(shelf).claims
    assert (claims[0].answers, claims[1].answers) == (0, 5)


def test_what_no_threshold_can_accept_is_not_counted(inventory: Inventory) -> None:
    """Neither what is probably not a catalogue item, nor a close call."""
    identity = FakeClassifier("with other", (*NETWORK.labels, OTHER)).identity
    shares = {"a": (0.4, 0.5), "b": (0.6, 0.3), "c": (0.4, 0.3)}
    with inventory.recording(identity, options={}) as recording:
        outcomes = []
        for name, (top, other) in shares.items():
            one = tagged(ord(name), top)
            rest = (1 - top - other) / 9
            probabilities = (top, *[rest] * 9, other)
            said = replace(
                one.prediction,
                probabilities=probabilities,
                margin=top - rest,
                other=other,
            )
            file = ImageFile(f"{name}.jpg", 1, 2)
            outcomes.append((file, replace(one, prediction=said)))
        recording.record(ROOT, outcomes, {}, {})

    found = inventory.undecided(identity.digest, 0.3)

    assert sorted(confidence for _, confidence in found) == [0.4, 0.6]
    assert inventory.undecided(identity.digest, 0.5) == [("T-shirt/top", 0.6)]


def test_a_certificate_is_kept_and_the_newest_is_in_force(shelf: Inventory) -> None:
    answer_audit(shelf, shelf.draw_audit(200, "anna"))
    first = certificate(shelf)
    shelf.keep_certificate(first)
    second = replace(first, policy=None, precision=0.98)
    shelf.keep_certificate(second)

    assert first.policy == Policy(0.96)
    assert first.claims[0] == Claim(None, 200, 200, 0.96, 0, 0.96)
    assert shelf.certificate(NETWORK.digest) == second
    assert shelf.certificates() == [second, first]
    assert shelf.certificate("0" * 64) is None


def test_what_was_proven_of_pictures_prepared_otherwise_proves_nothing(
    inventory: Inventory,
) -> None:
    formerly = replace(NETWORK, preparing="views28-0")
    scan(inventory, stock(300, 0.99), BUNDLED, formerly)
    assert inventory.draw_audit(50, "anna") is None  # until a scan prepares them anew
    scan(inventory, stock(300, 0.99), BUNDLED)
    audit = answer_audit(inventory, inventory.draw_audit(200, "anna"), most=190)
    made = certificate(inventory)
    inventory.keep_certificate(made)
    assert inventory.certificate(NETWORK.digest) == made

    with raw(inventory.path) as connection:  # as it is after an upgrade
        older = f"SET preparing = 'views28-1' WHERE preparing = '{PREPARING}'"
        for table in ("prediction", "certificate"):
            connection.execute(f"UPDATE {table} {older}")
        connection.commit()
    scan(inventory, stock(300, 0.99), BUNDLED)

    assert inventory.certificate(NETWORK.digest) is None
    assert inventory.certificates() == [made]
    assert not inventory.audit_evidence(NETWORK.digest).answers
    drawn = inventory.draw_audit(20, "anna")
    assert drawn is not None
    assert drawn.id != audit.id  # ten of that one still wait, and would tell nothing


def test_who_was_asked_in_audits_alone_is_told_apart(shelf: Inventory) -> None:
    shelf.decide_all([(say(digest_of(250), "Bag"), "")], reviewer="a", source="x")
    answer_audit(shelf, shelf.draw_audit(10, "anna"))

    found = shelf.reviews()

    assert len(found.reviewed) == 11
    assert len(found.audited) == 10
    assert digest_of(250) not in found.audited


def test_an_audit_of_the_network_before_is_not_gone_on_with(shelf: Inventory) -> None:
    begun = shelf.draw_audit(50, "anna")
    assert begun is not None
    assert shelf.draw_audit(50, "berta") == begun
    newer = replace(NETWORK, digest="1" * 64)
    scan(shelf, stock(200, 0.99) | stock(100, 0.7, start=200), BUNDLED, newer)

    drawn = shelf.draw_audit(50, "anna")

    assert drawn is not None
    assert drawn.id != begun.id


def test_more_is_accepted_once_it_is_proven(shelf: Inventory) -> None:
    answer_audit(shelf, shelf.draw_audit(300, "anna", least=0.5))
    scan(shelf, stock(50, 0.7, start=300) | stock(50, 0.99, start=400), BUNDLED)

    found = certificate(shelf)

    # A threshold of 0.5 is as well proven by these as 0.7: nothing was below.
    assert found.policy == Policy(0.5)
    assert (found.pictures, found.accepted_before, found.accepts) == (100, 0.5, 1.0)
    assert found.joint


def test_a_network_that_never_classified_here_cannot_be_certified(
    tagger: Tagger,
) -> None:
    Inventory(tagger.db).__exit__()

    assert "scan with it first" in tagger.fails("certify")
    assert "no inventory" in tagger.fails("certify", "--db", tagger.folder / "x.db")
    assert "--audit" in tagger.fails("review", "--from", "0.5", status=2)


def test_a_network_under_other_labels_cannot_be_certified(shelf: Inventory) -> None:
    german = replace(NETWORK, labels=("T-Shirt", *NETWORK.labels[1:]))

    with pytest.raises(ModelError, match="put the former labels back"):
        certify_network(
            shelf,
            german,
            bundled=BUNDLED,
            uncertified=BUNDLED,
            precision=TARGET_PRECISION,
            certainty=CERTAINTY,
        )


def test_from_the_first_audit_to_a_scan_that_accepts_more_and_back(
    tagger: Tagger,
) -> None:
    card = find_bundle(DEFAULT_BUNDLE).card
    items = {
        path: replace(one, prediction=with_other(one.prediction, len(card.labels)))
        for path, one in (stock(280, 0.9) | stock(100, 0.6, start=280)).items()
    }
    with Inventory(tagger.db) as inventory:
        scan(inventory, items, card.policy, card.identity)
    pictures = tagger.folder / "pictures"
    pictures.mkdir()
    shutil.copy(SAMPLES / "sneaker-side-view.jpg", pictures)

    nothing = tagger("certify")

    assert nothing.returncode == 4
    assert "Nothing is certified yet: scans use the network's own" in nothing.stdout
    asked = "all tags together: not certified: 155 more audited pictures needed"
    said = " ".join(nothing.stdout.split())
    assert asked in said
    assert "tagger review --audit 155 --from 0.80" in said

    with Inventory(tagger.db) as inventory:
        answer_audit(inventory, inventory.draw_audit(280, "anna", least=0.5))
    dry = json.loads(tagger("certify", "--dry-run", "--json").stdout)
    with Inventory(tagger.db) as inventory:
        assert inventory.certificate(card.digest).policy is None  # type: ignore[union-attr]
    settings = tagger.folder / "tagger.toml"
    settings.write_text("[calibrate]\nprecision = 0.9\n")
    old = ("calibrate", "--dry-run", "--json")
    renamed = [tagger(*old), tagger("certify", *old[1:])]
    varied = tagger("certify", *old[1:], TAGGER_CALIBRATE_PRECISION="0.8")
    settings.unlink()
    done = tagger("certify")
    again = tagger("certify")
    told = tagger("scan", pictures)

    assert (done.returncode, again.returncode, told.returncode) == (0, 0, 0)
    assert [json.loads(one.stdout)["precision"] for one in renamed] == [0.9, 0.9]
    assert ["tagger certify" in one.stderr for one in renamed] == [True, False]
    assert json.loads(varied.stdout)["precision"] == 0.8
    assert dry["policy"]["threshold"] == 0.5
    assert dry["testimony"]["answers"] == 280
    assert (
        "accepts 100% of the 100 undecided pictures predicted as items (before: "
        in (" ".join(done.stdout.split()))
    )
    with Inventory(tagger.db) as inventory:
        assert len(inventory.certificates()) == 2  # nothing was new the last time
        assert inventory.policies()[card.name].threshold == dry["policy"]["threshold"]
        assert inventory.status().flagged == 0
        for number in range(60):  # what was certified turns out not to be so
            digest = digest_of(number)
            inventory.decide_all([(say(digest, "Bag"), "")], reviewer="b", source="x")
    withdrawn = tagger("certify")
    tagger("scan", pictures)

    assert withdrawn.returncode == 4
    assert "The previous certificate is withdrawn" in withdrawn.stdout
    assert "contradicting decisions, never counted as right" in withdrawn.stdout
    with Inventory(tagger.db) as inventory:
        assert inventory.policies()[card.name] == card.policy


def with_other(said: Prediction, labels: int) -> Prediction:
    """Make a prediction that of a network which knows what has no tag, too."""
    kinds = (0.0,) * (labels - len(said.probabilities) - 1)
    return replace(said, probabilities=(*said.probabilities[:-1], 0.0, 0.03, *kinds))


def lines(inventory: Inventory) -> list[str]:
    found = inventory.auto_tagging_stats()
    assert found is not None
    console = Console(width=200, file=io.StringIO())
    console.print(auto_tagging_stats(found))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_what_is_known_of_the_machines_work_alone_is_told_step_by_step(
    shelf: Inventory,
) -> None:
    assert lines(shelf) == [NEVER_AUDITED]

    answer_audit(shelf, shelf.draw_audit(40, "anna"), wrong=map(digest_of, range(200)))
    assert lines(shelf)[1] == (
        "Nothing is certified yet. 155 audited pictures, all right, would be enough: "
        "run 'tagger review --audit 155 --from 0.80', then 'tagger certify'"
    )
    shelf.keep_certificate(certificate(shelf))

    measured, nothing, lacking, unheard, corrected = lines(shelf)
    assert measured == (
        "Of 40 audited pictures that the network accepted, 0.0% are right "
        "(95 % interval: 0% to 9%)."
    )
    assert nothing == "Nothing is certified yet."
    assert lacking.startswith("all tags together: not certified: too many wrong; ")
    assert lacking.endswith(" --from 0.99")
    assert unheard.startswith("no audited pictures yet: Trouser, Pullover, ")
    assert corrected == "Most often corrected: T-shirt/top → Bag (40)."


def test_what_could_be_certified_is_told_before_it_is(shelf: Inventory) -> None:
    answer_audit(shelf, shelf.draw_audit(200, "anna"))
    known = shelf.auto_tagging_stats()
    assert known is not None
    card = replace(find_bundle(DEFAULT_BUNDLE).card, policy=BUNDLED)
    ours = replace(
        card,
        name=NETWORK.name,
        labels=NETWORK.labels,
        files={**card.files, KERAS_FILE: NETWORK.digest},
    )

    assert as_of_now(shelf, known, card, BUNDLED) == known
    now = as_of_now(shelf, known, ours, BUNDLED)

    assert known.audited_since == 200
    assert now.waits
    assert now.certificate is not None
    assert now.certificate.policy == BUNDLED
    shelf.keep_certificate(now.certificate)
    after = shelf.auto_tagging_stats()
    assert after is not None
    assert not as_of_now(shelf, after, ours, BUNDLED).waits
    assert lines(shelf)[1].startswith("Certified on ")


def test_the_first_certificate_takes_as_many_answers_as_is_said() -> None:
    share = JOINT * (1 - CERTAINTY) / len(STARTS)

    assert answers_needed(0, 0, TARGET_PRECISION, share) == FIRST_CERTIFICATE
    assert min(STARTS) == FIRST_FROM


SHOPS, LEARNT = (FakeClassifier(name).identity for name in ("shops", "shops-1"))


def ten(inventory: Inventory, network: ModelIdentity, unsure: Iterable[int]) -> None:
    """Scan ten pictures by a network that is unsure of some."""
    items = {f"{n}.jpg": tagged(n, 0.7 if n in unsure else 0.99) for n in range(10)}
    scan(inventory, items, BUNDLED, network)


def moved(inventory: Inventory) -> PreviousPolicy | None:
    found = inventory.auto_tagging_stats()
    assert found is not None
    return found.formerly


def test_how_precision_and_coverage_moved_since_the_network_before_is_told(
    inventory: Inventory,
) -> None:
    ten(inventory, SHOPS, range(6))
    assert moved(inventory) is None
    answer_audit(inventory, inventory.draw_audit(4, "anna"), wrong=[digest_of(9)])
    ten(inventory, LEARNT, [8])

    assert moved(inventory) == PreviousPolicy(
        "shops", SHOPS.digest, BUNDLED, 4, 3, 10, 4, 9
    )
    told = [
        (
            "With the previous network shops, 75.0% of 4 audited pictures were right "
            "(95 % interval: 30% to 95%)."
        ),
        (
            "Accepted without a person: 40% before, 90% now, of the same pictures, "
            "including those that people answered."
        ),
    ]
    assert lines(inventory)[1:3] == told
    assert lines(inventory)[-1] == (
        "Most often corrected before shops-1: T-shirt/top → Bag (1)."
    )
    page = render(
        inventory.status(),
        inventory.overview(pictures=0, lines=9),
        made_at=datetime.now(UTC),
        sure=inventory.auto_tagging_stats(),
    )
    assert all(f"<p>{line}</p>" in page for line in told)

    answer_audit(inventory, inventory.draw_audit(9, "anna"), wrong=[digest_of(2)])

    assert lines(inventory)[0].startswith(
        "Of 6 audited pictures that the network accepted, 83.3% are right "
    )
    assert lines(inventory)[-1] == (
        "Most often corrected since shops-1 is in force: T-shirt/top → Bag (1)."
    )


def test_a_doubt_that_was_shared_is_no_correction_whatever_is_said_later(
    inventory: Inventory,
) -> None:
    doubting = FakeClassifier("doubting", (*NETWORK.labels, OTHER)).identity
    items = {f"{n}.jpg": tagged(n, 0.06) for n in range(3)} | {"3.jpg": tagged(3, 0.9)}
    shares = {0.06: (0.06, *[0.01] * 9, 0.85), 0.9: (0.9, *[0.01] * 9, 0.01)}
    said = {}
    for path, one in items.items():
        rows = shares[one.prediction.confidence]
        told = replace(one.prediction, probabilities=rows, other=rows[-1])
        said[path] = replace(one, prediction=told)
    scan(inventory, said, BUNDLED, doubting)
    for number in range(3):
        nothing = (digest_of(number), DecisionKind.NOT_CATALOGUE)
        inventory.decide(*nothing, tag=None, reviewer="anna")
    assert "corrected" not in lines(inventory)[-1]

    ten(inventory, LEARNT, ())  # sure of all of them; and 2.jpg is replaced, too
    scan(inventory, {"2.jpg": tagged(99, 0.99)}, BUNDLED, LEARNT)

    assert "corrected" not in lines(inventory)[-1]
    inventory.decide(
        digest_of(3), DecisionKind.NOT_CATALOGUE, tag=None, reviewer="anna"
    )
    assert lines(inventory)[-1].endswith(": T-shirt/top → not a catalogue item (1).")


def test_after_going_back_what_was_gone_back_from_is_what_was_before(
    inventory: Inventory,
) -> None:
    ten(inventory, SHOPS, range(6))
    ten(inventory, LEARNT, [8])
    ten(inventory, SHOPS, range(6))

    found = moved(inventory)

    assert found is not None
    assert (found.network, found.accepted, found.accepted_now) == ("shops-1", 9, 4)
    assert "previous network shops-1, no picture was audited." in lines(inventory)[1]


def test_a_network_that_has_seen_little_was_not_in_force(inventory: Inventory) -> None:
    few = {f"{n}.jpg": tagged(n, 0.99) for n in range(3)}
    scan(inventory, few, BUNDLED, LEARNT)
    ten(inventory, SHOPS, range(6))

    assert moved(inventory) is None


def test_how_far_a_certificate_moved_what_is_accepted_is_told(
    inventory: Inventory,
) -> None:
    items = stock(6, 0.99) | stock(4, 0.7, start=6)
    with inventory.recording(SHOPS, options={}) as recording:
        recording.enforce(Policy(0.5), decide)  # not known yet: they are unfamiliar
        judged = [
            (
                ImageFile(path, 1, 2),
                replace(one, verdict=decide(one.prediction, BUNDLED)),
            )
            for path, one in items.items()
        ]
        recording.record(ROOT, judged, {}, {})
        recording.enforce(BUNDLED, decide)
        recording.finish([ROOT], exit_code=0, counts={})
    assert moved(inventory) is None

    scan(inventory, items, Policy(0.6), SHOPS)
    said = "With the previous threshold 0.96 (now 0.60), no picture "
    assert lines(inventory)[1].startswith(said)
    assert lines(inventory)[2].startswith("Accepted without a person: 60% before, 100%")
    # Another threshold that accepts as much is not worth a line.
    scan(inventory, items, Policy(0.6, 0.0, {"Bag": 0.9}), SHOPS)
    assert not any("previous" in line for line in lines(inventory))


def test_what_all_tags_together_lack_is_told_where_some_are_certified_alone() -> None:
    claims = (
        Claim(None, 100, 98, None, 120, 0.8),
        Claim("Bag", 300, 300, 0.7, 0, 0.7),
        Claim("Coat", 9, 8, None, 400, 0.95),
    )
    policy = Policy(0.96, 0.0, {"Bag": 0.7})
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    found = Certificate(
        moment, "shops", "d" * 64, 0.97, 0.9, policy, claims, 500, 0.5, 0.3
    )

    (step,) = next_steps(found)
    assert step == (
        "all tags together: not certified: 120 more audited pictures needed, all "
        "right: run tagger review --audit 120 --from 0.80"
    )
    proven = replace(found, claims=(replace(claims[0], threshold=0.8), *claims[1:]))
    assert list(next_steps(proven)) == []
