"""What a scan leaves out: bins, thumbnails, resized copies, and ignore files."""

import os
import shutil
import subprocess
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import Photo, Scan

from tagger.inventory import Inventory
from tagger.records import ImageFile, SkippedFile, State
from tagger.scan.exclude import DEFAULT_EXCLUDE, IGNORE_FILE, original_of
from tagger.scan.walk import Rules, walk

RULES = Rules(endings=(".jpg", ".png", ".webp"), exclude_folders=DEFAULT_EXCLUDE)


PARTS = st.sampled_from(["a", "b", "*.jpg", "a*", "?"])
PATTERNS = st.builds(
    lambda start, parts, end: start + "/".join(parts) + end,
    st.sampled_from(["", "", "!", "/", "!/", "**/"]),
    st.lists(PARTS | st.just("**"), max_size=2).flatmap(
        lambda parts: PARTS.map(lambda last: [*parts, last])
    ),
    st.sampled_from(["", "", "/", "/**"]),
)
"""Lines of an ignore file as people write them."""


def read(root: Path, rules: Rules = RULES) -> set[str]:
    return {entry.path for entry in walk(root, rules) if isinstance(entry, ImageFile)}


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir",
        "#recycle",
        "@Recycle",
        "$RECYCLE.BIN",
        "$Recycle.Bin",
        ".Trash-1000",
        ".Trashes",
        ".thumbnails",
        ".@__thumb",
        "lost+found",
        ".git",
        ".snapshot",
        "#snapshot",
        "@Recently-Snapshot",
        "__MACOSX",
    ],
)
def test_bins_thumbnails_and_snapshots_are_not_entered(
    tmp_path: Path, folder: str
) -> None:
    touch(tmp_path, "a.jpg", f"{folder}/a.jpg", f"sub/{folder}/deep/b.jpg")

    assert read(tmp_path) == {"a.jpg"}
    everything = Rules(endings=RULES.endings)
    if not folder.startswith("."):
        assert len(read(tmp_path, everything)) == 3


def test_a_picture_moved_into_a_bin_is_missing_and_not_moved(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    for name in ("a.png", "b.png", "c.png", "d.png", "e.png"):
        photo(name, shade=ord(name[0]) % 50 * 4)
    run()
    (shop / "#recycle").mkdir()
    (shop / "a.png").rename(shop / "#recycle" / "a.png")

    summary = run()

    assert (summary.missing, summary.moved) == (1, 0)
    states = {item.path: item.state for item in inventory.items()}
    assert states["a.png"] is State.MISSING
    assert states["#recycle"] is State.IGNORED


def test_pictures_tagged_in_a_bin_before_are_left_out_from_now_on(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png")
    photo("@eaDir/a.png", shade=90)
    run(default_exclude=())

    run()

    found = {item.path: item for item in inventory.items()}
    assert found["a.png"].state is State.TAGGED
    assert found["@eaDir/a.png"].state is State.IGNORED
    assert "@eaDir" in found["@eaDir/a.png"].reason


@pytest.mark.parametrize(
    ("name", "beside", "original"),
    [
        ("a-150x150.jpg", ["a.jpg"], "a.jpg"),
        ("a_600x600.png", ["a.png"], "a.png"),
        ("a_600x.png", ["a.png"], "a.png"),
        ("a-300x200@2x.jpg", ["a.jpg"], "a.jpg"),
        ("a-150x150.webp", ["a.jpg"], "a.jpg"),
        ("a-scaled.jpg", ["a.jpg"], "a.jpg"),
        ("a-rotated.jpg", ["a.jpg"], "a.jpg"),
        ("a-150x150.jpg", ["a-scaled.jpg"], "a-scaled.jpg"),
        ("a-150x150.jpg", ["b.jpg", "a-150x150.jpg"], ""),
        ("a-scaled.jpg", ["a-scaled.jpg"], ""),
        ("box.jpg", ["b.jpg", "box.jpg"], ""),
        ("shoe-2x1.jpg", ["shoe.jpg"], ""),
        ("-150x150.jpg", [".jpg"], ""),
    ],
)
def test_a_resized_copy_is_known_by_its_original(
    name: str, beside: list[str], original: str
) -> None:
    assert original_of(name, beside, RULES.endings) == original


def test_resized_copies_are_read_only_on_request_or_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a-150x150.jpg", "b-150x150.jpg", "sub/a-300x200.jpg")

    assert read(tmp_path) == {"a.jpg", "b-150x150.jpg", "sub/a-300x200.jpg"}
    assert len(read(tmp_path, Rules(endings=(".jpg",), resized=True))) == 4


def test_an_ignore_file_holds_below_its_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "old/a.jpg", "new/old/a.jpg", "new/b.jpg", "new/keep.jpg")
    (tmp_path / IGNORE_FILE).write_text("# ours\n/old/\nkeep.*\n", encoding="utf-8")
    (tmp_path / "new" / IGNORE_FILE).write_text(
        "\ufeff!keep.jpg\r\nb.jpg\r\n", encoding="utf-8"
    )

    assert read(tmp_path) == {"a.jpg", "new/old/a.jpg", "new/keep.jpg"}
    reasons = {e.path: e.reason for e in walk(tmp_path, RULES) if e.path == "new/b.jpg"}  # type: ignore[union-attr]
    assert "b.jpg" in reasons["new/b.jpg"]
    assert IGNORE_FILE in reasons["new/b.jpg"]
    inside = Rules(endings=RULES.endings, folder="new")
    assert read(tmp_path, inside) == {"new/old/a.jpg", "new/keep.jpg"}


@pytest.mark.skipif(not shutil.which("git"), reason="compares with Git, not installed")
@settings(max_examples=40, deadline=None)
@given(st.lists(PATTERNS, max_size=4), st.lists(PATTERNS, max_size=3))
def test_an_ignore_file_says_what_git_would_say(
    tmp_path_factory: pytest.TempPathFactory, above: list[str], below: list[str]
) -> None:
    top = tmp_path_factory.mktemp("shop")
    paths = [
        "a.jpg",
        "b.jpg",
        "a/a.jpg",
        "a/b.jpg",
        "a/b/a.jpg",
        "b/a.jpg",
        "b/a/b.jpg",
    ]
    touch(top, *paths)
    for folder, lines in (("", above), ("a", below)):
        text = "\n".join(lines)
        for name in (IGNORE_FILE, ".gitignore"):
            (top / folder / name).write_text(text, encoding="utf-8")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    git = ["git", "-c", "core.excludesFile=", "-C", str(top)]
    subprocess.run([*git, "init", "-q"], check=True, env=environment)
    listed = subprocess.run(
        [*git, "ls-files", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout.split("\n")

    assert read(top) == {path for path in listed if path.endswith(".jpg")}


@pytest.mark.parametrize("content", [b"[z-a].jpg\n", b"x" * (2**20 + 1), None])
def test_a_folder_keeps_its_items_while_its_ignore_file_cannot_be_used(
    run: Scan,
    photo: Photo,
    shop: Path,
    inventory: Inventory,
    content: bytes | None,
) -> None:
    photo("a.png")
    photo("sub/b.png", shade=90)
    run()
    bad = shop / "sub" / IGNORE_FILE
    if content is None:
        os.mkfifo(bad)
    else:
        bad.write_bytes(content)

    summary = run()

    assert (summary.unreadable, summary.missing) == (1, 0)
    found = {item.path: item for item in inventory.items()}
    assert found["sub/b.png"].state is State.TAGGED
    assert IGNORE_FILE in found["sub"].reason
    bad.unlink()
    assert run().unreadable == 0


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1))
def test_a_pattern_matches_a_name_however_it_is_composed(name: str) -> None:
    assume(not set(name) & set("/*?[]!.\\"))
    nfc, nfd = normalize("NFC", name), normalize("NFD", name)

    for typed in (nfc, nfd):
        assert Rules((".jpg",)).matches(nfd, nfd, typed)
        assert Rules((".jpg",)).matches(nfc, nfc, typed)


def test_an_ignore_file_names_files_of_macos(tmp_path: Path) -> None:
    (tmp_path / "e\u0301te\u0301.jpg").write_bytes(b"x")
    (tmp_path / ".taggerignore").write_text("\u00e9t\u00e9.jpg\n")

    listed = {entry.path: entry for entry in walk(tmp_path, Rules((".jpg",)))}

    assert isinstance(listed["e\u0301te\u0301.jpg"], SkippedFile)
