"""The frozen values that a scan takes and returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a scan may be told besides its folders, its network and its policy.

    A file that changed less than `settle` seconds ago is left for the next scan. Where
    more than the share `max_missing` of a root's pictures, in [0, 1], is gone, none of
    them is marked missing. `follow_links` enters links that lead out of the root.
    """

    batch_size: int = 64
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    retry_errors: bool = False
    settle: float = 2.0
    max_missing: float = 0.2
    follow_links: bool = False


BY_DEFAULT = ScanOptions()
"""What `tagger scan` does without options."""


@dataclass(frozen=True, slots=True)
class OwnMix:
    """Whether tags are weighed by how often each is right under a root.

    `prior` are the shares of the labels that the network takes for granted; empty for
    a network that does not tell them, and then nothing is weighed. What is `frozen` is
    not estimated anew: a certificate speaks of the mix that it was made with.
    """

    prior: tuple[float, ...] = ()
    frozen: bool = False


NO_MIX = OwnMix()
"""Every tag as the network gives it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Something measured of a run's images, and of those of the month before.

    `of` names what was measured where the name does not say it all.
    """

    name: str
    value: float
    was: float
    moved: bool
    of: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """How the images that a run read under a root differ from the month before's."""

    root: str
    images: int
    before: int
    measures: tuple[Measure, ...]

    @property
    def moved(self) -> bool:
        """Whether anything moved."""
        return any(measure.moved for measure in self.measures)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What one scan did, in images.

    `new`, `changed`, `moved`, `unchanged`, `unsettled`, `missing` and `ignored` tell
    what was found; `classified` how many the network saw; `tagged`, `flagged` and
    `unreadable` how the images of the scanned roots stand after it. `tags` counts the
    tags in force. `doubted` are the folders that have lost more than can be believed.
    `drift` compares what was read with the month before, root by root. `warnings` are
    sentences for a person. `shift` tells how far the pictures are from those that the
    network knows, and `careful` what was done about it. `mix` tells by root how often
    each label is right there, where that was estimated, as shares in [0, 1].
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
    seconds: float = 0.0
    tags: Mapping[str, int] = field(default_factory=dict)
    unreadable_images: tuple[tuple[str, str], ...] = ()
    doubted: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()
    warnings: tuple[str, ...] = ()
    shift: float | None = None
    careful: str = ""
    mix: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
