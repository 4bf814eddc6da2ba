"""`tagger import`: a sheet comes back, whole or not at all."""

import csv
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from support.inventories import raw
from support.program import Tagger, in_a_terminal, refused

pytestmark = pytest.mark.usefixtures("stock")


def edit(tagger: Tagger, **tags: str) -> Path:
    """Export, and give some pictures other tags, as in a spreadsheet."""
    target = tagger.folder / "edited.csv"
    tagger("export", "-o", target)
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["tag"] = tags.get(row["path"].partition(".")[0], row["tag"])
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return target


def test_corrections_come_back(tagger: Tagger) -> None:
    sheet = edit(tagger, tiny="Bag", palette="Coat")

    dry = tagger("import", sheet, "--dry-run")
    before = tagger.rows()
    done = tagger("import", sheet, "--reviewer", "anna")
    after = tagger.rows()

    assert dry.returncode == done.returncode == 0
    assert "would be 2 corrected, 0 confirmed, 2 unchanged" in dry.stdout
    assert {row["decided_by"] for row in before.values()} == {"machine"}
    assert "2 corrected, 0 confirmed, 2 unchanged" in done.stdout
    assert (after["tiny.png"]["tag"], after["palette.png"]["tag"]) == ("Bag", "Coat")
    assert after["tiny.png"]["reviewer"] == "anna"
    with raw(tagger.db) as connection, closing(connection.cursor()) as cursor:
        kept = cursor.execute("SELECT length(prepared) FROM decision").fetchall()
    assert kept == [(28 * 28 * 3,)] * 2
    assert (
        "0 corrected, 0 confirmed, 4 unchanged" in tagger("import", edit(tagger)).stdout
    )


def test_a_confirmed_row_is_a_decision(tagger: Tagger) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = tagger.folder / "edited.xlsx"
    tagger("export", "-o", book)
    sheet = openpyxl.load_workbook(book)
    rows = {row[1].value: row for row in sheet.active.iter_rows(min_row=2)}
    columns = {cell.value: cell.column - 1 for cell in sheet.active[1]}
    rows["lossy.webp"][columns["flagged"]].value = False
    rows["palette.png"][columns["tag"]].value = "coat"
    rows["palette.png"][columns["confidence"]].value = 1
    sheet.save(book)

    done = tagger("import", book)

    assert done.returncode == 0, done.stderr
    assert "1 corrected, 1 confirmed, 2 unchanged" in done.stdout
    assert "lossy.webp" not in done.stdout
    assert done.stderr.count("\n") == 1
    assert "line 3: changes of confidence are not imported" in done.stderr
    after = tagger.rows()
    confirmed = after["lossy.webp"]
    assert (confirmed["decided_by"], confirmed["flagged"]) == ("person", "false")
    assert after["palette.png"]["tag"] == "Coat"


def test_an_import_ends_with_the_next_step(tagger: Tagger) -> None:
    sheet = edit(tagger, tiny="Bag")

    dry = in_a_terminal(tagger.command("import", sheet, "--dry-run"), tagger)
    done = in_a_terminal(tagger.command("import", sheet), tagger)
    again = in_a_terminal(tagger.command("import", sheet), tagger)

    assert f"Next: 'tagger import {sheet}'" in dry
    assert "Next: 'tagger " in done
    assert "tagger status" not in done
    assert "Next: correct a tag" in again
    assert "Next" not in tagger("import", sheet).stdout


def test_nothing_is_taken_in_unless_all_is_well(tagger: Tagger) -> None:
    sheet = edit(tagger, tiny="Bag", palette="Cot")

    done = tagger("import", sheet)
    dry = tagger("import", sheet, "--dry-run")
    undecided = tagger.rows()
    skipped = tagger("import", sheet, "--skip-bad")

    assert done.returncode == dry.returncode == 1
    warning, error = done.stderr.splitlines()
    assert warning == (
        f"warning: {sheet}, line 3: palette.png: no tag 'Cot': did you mean 'Coat'?"
    )
    assert error.startswith("error: 1 row cannot be imported, so nothing was")
    assert "would be 1 corrected" in dry.stdout
    assert {row["decided_by"] for row in undecided.values()} == {"machine"}
    assert skipped.returncode == 0
    assert tagger.rows()["tiny.png"]["tag"] == "Bag"


def test_a_file_that_is_no_sheet_is_one_line(tagger: Tagger) -> None:
    sheet = tagger.folder / "sheet.csv"
    for data in (b"\x89PNG", b"path;tag;when\r\n", b"", b"path,tag\n\0"):
        sheet.write_bytes(data)
        assert f"{sheet}, line " in refused(tagger, "import", sheet, status=1)
    assert "No such file" in refused(tagger, "import", "absent.csv", status=1)
    assert "Is a directory" in refused(tagger, "import", tagger.folder, status=1)
    assert "give one character" in refused(tagger, "import", sheet, "--delimiter", "ab")


@pytest.mark.skipif(shutil.which("soffice") is None, reason="no LibreOffice here")
def test_a_sheet_survives_libreoffice(tagger: Tagger, tmp_path: Path) -> None:
    names = [
        "=cmd|' /C calc'!A0.jpg", "00123", "00123.jpg", "шапка.jpg", "帽子١٢.jpg",
        "two\nlines.jpg", "'quoted.jpg", "-5", "1e5", "MAR10", '"q",x', "@x", "x\\xff",
    ]  # fmt: skip
    with raw(tagger.db) as connection, connection:
        for number, name in enumerate(names):
            connection.execute(
                "INSERT INTO image (root_id, path, digest, state, reason, flagged, "
                "flag_reason, first_seen, updated_at) VALUES "
                "(1, ?, ?, 'unreadable', '', 0, '', ?, ?)",
                (name, f"{number:064}", *["2026-01-02T03:04:05.000006Z"] * 2),
            )
    tagger("export", "-o", "sheet.csv")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    for source, kind, folder in (
        ("sheet.csv", "xlsx", "excel"),
        ("excel/sheet.xlsx", "csv", "back"),
    ):
        convert = ["soffice", profile, "--headless", "--convert-to", kind]
        subprocess.run(
            [*convert, "--outdir", folder, source],
            cwd=tagger.folder,
            check=True,
            capture_output=True,
            timeout=120,
        )
    back = tagger.folder / "back" / "sheet.csv"

    def cells(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as stream:
            shares = ("confidence", "margin")
            return [
                {
                    name: str(float(cell)) if name in shares and cell else cell
                    for name, cell in row.items()
                }
                for row in csv.DictReader(stream)
            ]

    assert cells(back) == cells(tagger.folder / "sheet.csv")
    assert {"'" + name for name in ("00123", "-5", "1e5")} < {
        row["path"] for row in cells(back)
    }
    assert (
        f"0 corrected, 0 confirmed, {len(names) + 4} unchanged"
        in tagger("import", back).stdout
    )
