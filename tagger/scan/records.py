"""Define the frozen values that a scan takes and returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from tagger.scan.exclude import DEFAULT_EXCLUDE
from tagger.storage import Location, RemotePath, location
from tagger.text import as_typed


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """The options of a scan besides its folders, its network and its policy.

    A file that changed less than `settle` seconds ago is left for the next scan. If
    more than the share `max_missing`, in [0, 1], of a root's pictures is gone, none of
    them is marked missing. Folders whose name matches `default_exclude` are left out,
    and resized copies (`name-150x150.jpg` beside `name.jpg`) unless `resized`. With
    `follow_links` links out of the root are followed.
    """

    batch_size: int = 64
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    default_exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    resized: bool = False
    retry_errors: bool = False
    settle: float = 2.0
    max_missing: float = 0.2
    follow_links: bool = False


BY_DEFAULT = ScanOptions()
"""The defaults of `tagger scan`."""


@dataclass(frozen=True, slots=True)
class OwnMix:
    """Whether and how tags are weighed by the mix of each root.

    `prior` are the shares of the labels that the network expects; empty if its card has
    none, and then nothing is weighed. A `frozen` mix is not estimated again, because a
    certificate holds for the mix that it was made with.
    """

    prior: tuple[float, ...] = ()
    frozen: bool = False


NO_MIX = OwnMix()
"""Tags are not weighed."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a run's images, and of the images of the month before.

    `of` adds to the name what was measured, such as the tag.
    """

    name: str
    value: float
    was: float
    moved: bool
    of: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """The images that a run read under a root, compared with the month before."""

    root: str
    images: int
    before: int
    measures: tuple[Measure, ...]

    @property
    def moved(self) -> bool:
        """Whether any measure moved."""
        return any(measure.moved for measure in self.measures)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The results of one scan, counted in images.

    `new`, `changed`, `moved`, `unchanged`, `unsettled`, `missing` and `ignored` count
    what the scan found, `classified` what the network saw. `tagged`, `flagged` and
    `unreadable` count the items of the scanned roots afterwards, `tags` their tags in
    force. `newly_unreadable` counts those that no earlier scan reported; the lists of
    images name both. `doubted` are folders whose losses are too large to be believed;
    `doubts` has the reason for each, with which its warning begins.
    `drift` compares what was read with the month before, root by root. `warnings` and
    `notes` are sentences for a person; a note is no trouble. `shift` is the distance of
    the pictures from the training pictures. `threshold` is the least confidence in
    force, `base_threshold` the one before the shift guard; None in the runs of older
    versions. `tightened` is a sentence if the guard raised it. `mix` has, by root,
    the estimated shares of the labels, in [0, 1]. `foreign` counts pictures in
    formats that are not read, by their ending.
    """

    run_id: int | None
    new: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    unsettled: int = 0
    missing: int = 0
    ignored: int = 0
    classified: int = 0
    tagged: int = 0
    flagged: int = 0
    unreadable: int = 0
    newly_unreadable: int = 0
    seconds: float = 0.0
    tags: Mapping[str, int] = field(default_factory=dict)
    unreadable_images: tuple[tuple[str, str], ...] = ()
    newly_unreadable_images: tuple[tuple[str, str], ...] = ()
    doubted: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: Mapping[str, str] = field(default_factory=dict)
    shift: float | None = None
    tightened: str = ""
    threshold: float | None = None
    base_threshold: float | None = None
    mix: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    foreign: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_counts(cls, run_id: int, counts: Mapping[str, Any]) -> Self:
        """Return the summary of a run from the counts that the inventory keeps."""
        known = {field.name for field in fields(cls)} - {"run_id"}
        kept = {name: value for name, value in counts.items() if name in known}
        # Runs of tagger 0.2 reported every unreadable file each time.
        kept.setdefault("newly_unreadable", kept.get("unreadable", 0))
        return cls(run_id, **kept)

    def describe_shift(self) -> str:
        """Give the numbers behind `tightened`; "" if the shift is not known."""
        from tagger.policy.shift_guard import LIMIT  # noqa: PLC0415  --help needs none

        if self.shift is None:
            return ""
        far = "distance from the training pictures (shift): "
        far += f"{self.shift:.1f}, limit {LIMIT:g}"
        if self.threshold is None or self.threshold == self.base_threshold:
            return far
        return (
            f"{far}; least confidence {self.threshold:.2f} instead of "
            f"{self.base_threshold:.2f}, until 'tagger certify' certifies a threshold"
        )

    def not_read(self) -> dict[str, str]:
        """Describe pictures that the scan left out, and what to do, by the cause."""
        sentences = {}
        if self.unsettled:
            verb = "file is" if self.unsettled == 1 else "files are"
            sentences["unsettled"] = (
                f"{self.unsettled:,} {verb} still being written: scan again when "
                "copying has ended"
            )
        if self.foreign:
            sentences["foreign"] = describe_foreign(self.foreign)
        return sentences


DIFFERENT: Final = (
    "these pictures differ from those that the network learned from, so fewer are "
    "accepted without a person. Answer some of the others: tagger review"
)
"""Tells shop staff that the shift guard raised the threshold."""


def advise_on_absent(root: Location | str) -> str:
    """Say what to do about a root that is not found."""
    named = as_typed(root)
    if isinstance(location(root), RemotePath):
        return (
            "A scan when the store answers again goes on. If the pictures are gone for "
            f"good, run 'tagger roots forget {named}'"
        )
    return (
        "Is the disk plugged in? If the folder has moved, run "
        f"'tagger roots move {named} NEW'; if it is gone for good, run "
        f"'tagger roots forget {named}'"
    )


def describe_foreign(numbers: Mapping[str, int]) -> str:
    """Describe pictures in formats that are not read; `numbers` are by ending."""
    total = sum(numbers.values())
    what = "picture has a format" if total == 1 else "pictures have formats"
    ranked = sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = ", ".join(f"{number:,} {ending}" for ending, number in ranked)
    return f"{total:,} {what} that tagger cannot read ({listed}): save as JPEG or PNG"
