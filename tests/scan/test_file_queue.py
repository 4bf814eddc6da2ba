"""Files that wait come out as they went in, in their order, and once."""

from hypothesis import given
from hypothesis import strategies as st

from tagger.records import ImageFile
from tagger.scan.file_queue import FileQueue

# Surrogates stand for bytes of a name that are no UTF-8.
_NAMES = st.text(st.characters(exclude_characters="\0"), max_size=20)
_FILES = st.builds(ImageFile, _NAMES, st.integers(0), st.integers())


@given(st.lists(_FILES, max_size=5), st.integers(0, 2500))
def test_files_come_out_as_they_went_in(files: list[ImageFile], more: int) -> None:
    files += [ImageFile(f"\udcff{number}.jpg", number, -1) for number in range(more)]
    waiting = FileQueue()
    for file in files:
        waiting.add(file)
    assert len(waiting) == len(files)

    assert list(waiting.taken()) == files

    assert len(waiting) == 0
    assert list(waiting.taken()) == []
