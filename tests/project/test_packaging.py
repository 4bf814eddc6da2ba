"""The wheel and the editable install both carry the networks."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import TOP

from tagger.bundles.bundle import DEFAULT_BUNDLE, models_folder

PROGRAM = """
import sys
sys.path[:0] = {paths!r}
import tagger
from tagger.bundles.bundle import find_bundle, models_folder
print(tagger.__file__, models_folder(), find_bundle({name!r}).card.name)
"""


def test_a_checkout_finds_its_networks() -> None:
    assert models_folder() == TOP / "models"


@pytest.mark.package
def test_a_wheel_carries_its_networks(tmp_path: Path) -> None:
    import zipfile

    build = [sys.executable, "-m", "build", "--wheel", "--installer", "uv"]
    subprocess.run([*build, "--outdir", str(tmp_path), str(TOP)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    program = PROGRAM.format(paths=[str(installed)], name=DEFAULT_BUNDLE)

    # -P keeps the checkout itself from being found first.
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    package, models, name = done.stdout.split()
    assert package == str(installed / "tagger" / "__init__.py")
    assert models == str(installed / "tagger" / "models")
    assert name == DEFAULT_BUNDLE
    assert (installed / "tagger" / "py.typed").exists()
    migrations = installed / "tagger" / "inventory" / "migrations" / "versions"
    assert list(migrations.glob("0001_*.py"))
