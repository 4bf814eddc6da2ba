"""The program: how it begins, and how it tells of failures."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.program import Tagger

import tagger.__main__ as program
from tagger import cli

pytestmark = pytest.mark.measured


def test_nothing_heavy_is_loaded_before_it_is_needed(
    tagger: Tagger, pictures: Path
) -> None:
    tagger("scan", pictures)
    heavy = (
        *("tensorflow", "keras", "ai_edge_litert", "cv2", "numpy", "alembic"),
        *("textual", "textual_image", "imagehash", "filelock", "sqlalchemy.orm"),
    )

    def loaded(*arguments: object) -> set[str]:
        program = (
            "import sys\nfrom tagger.__main__ import main\n"
            f"sys.argv = {['tagger', *map(str, arguments)]!r}\n"
            "try:\n    main()\nfinally:\n"
            "    print('LOADED', *sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=tagger.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return set(done.stdout.splitlines()[-1].split())

    assert not loaded("--help") & {*heavy, "sqlalchemy", "PIL"}
    assert not loaded("export", "-o", tagger.folder / "x.csv") & {*heavy}
    assert not loaded("status") & {*heavy}
    # Nothing to classify: the digests of the network are read, the network is not.
    network = {"tensorflow", "keras", "ai_edge_litert"}
    assert not loaded("scan", pictures) & {*network, "alembic", "sqlalchemy.orm"}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("scan", "x", "--threshold", "1.5"), "--threshold.* 1"),
        (("scan", "x", "--threshold", "-0.1"), "--threshold.* 0"),
        (("scan", "x", "--batch-size", "0"), "--batch-size.* 1"),
        (("scan", "x", "--what"), "--what"),
        (("scan",), "(?i)folders"),
        (("scan", ""), "empty"),
        (("scan", "x", "--max-missing", "120%"), "max-missing.*\\s.*20%"),
        (("scan", "x", "--settle", "soon"), "settle.*\\s.*90s"),
        (("model", "train", "x", "-o", "y", "--epochs", "0"), "--epochs.* 1"),
    ],
)
def test_a_usage_error_names_the_bound(
    tagger: Tagger, arguments: tuple[str, ...], names: str
) -> None:
    assert re.search(names, tagger.fails(*arguments, status=2))


def test_a_traceback_is_shown_only_when_asked_for(program: Tagger) -> None:
    plain = program.fails("scan", "absent")
    told = program("--debug", "scan", "absent")

    assert "Traceback" not in plain
    assert told.returncode == 1
    assert "Traceback" in told.stderr
    assert told.stderr.endswith(plain)


def test_a_fault_of_ours_is_one_line_too(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> None:
        raise RuntimeError("\x1b[31m")

    monkeypatch.setattr(cli, "app", fault)
    monkeypatch.setattr(program, "stop_at_once", lambda: None)

    with pytest.raises(SystemExit) as stopped:
        program.main()

    assert stopped.value.code == 1
    told = capfd.readouterr().err
    assert told.startswith("error: internal error: RuntimeError: \\x1b[31m")
    assert told.count("\n") == 1


def test_the_version_is_told(tagger: Tagger) -> None:
    from tagger import __version__

    assert tagger("--version").stdout == f"tagger {__version__}\n"
