"""Fuzz the preparing of pictures with Atheris, guided by what Pillow's code it reaches.

    python tests/fuzz_prepare.py -max_total_time=60

Begins from the sample images. Whatever the bytes, `prepare_bytes` must answer with a
picture or a reason: an exception, 25 seconds or two gigabytes are a finding, and leave
a file named crash-…, timeout-… or oom-… in the working folder.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "tagger.imaging"]):
    from support import SAMPLES

    from tagger.imaging.formats import FORMATS
    from tagger.imaging.prepare import prepare_bytes
    from tagger.records import UnreadableImage

ENDINGS = sorted(FORMATS)
LIMITS = ["-timeout=25", "-rss_limit_mb=2048", "-max_len=32768"]


def one_input(data: bytes) -> None:
    """Read the first byte as an ending, the rest as the bytes of a file."""
    ending = ENDINGS[data[0] % len(ENDINGS)] if data else ""
    result = prepare_bytes(data[1:], ending=ending)
    if isinstance(result, UnreadableImage):
        assert result.reason
        assert result.reason.isprintable()
    else:
        assert result.pixels.shape == (28, 28, 3)


def main() -> None:
    """Fuzz until told to stop, or until something is found."""
    with tempfile.TemporaryDirectory() as seeds:
        for path in SAMPLES.iterdir():
            if path.suffix in FORMATS:
                ending = bytes([ENDINGS.index(path.suffix)])
                Path(seeds, path.name).write_bytes(ending + path.read_bytes())
        atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[1:], seeds], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
