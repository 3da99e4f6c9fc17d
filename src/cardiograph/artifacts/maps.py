"""Verdict on the attention maps of a model; it is stored in the bundle and decides whether maps are shown."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

UNCHECKED = "not checked: `cardiograph check-maps RUN` compares maps with random ones on held-out pages"
"""Reason why maps of an unchecked model are not shown."""


@dataclass(frozen=True)
class Gain:
    """Mean over pages of how much more the maps moved the score than other maps did.

    Args:
        value: Mean in units of the raw score, the difference of the logits; positive if the maps were better.
        low: Lower end of the 95 % interval over groups; NaN with too few pages.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = "no interval" if math.isnan(self.low) else f"95 % interval {self.low:+.3f} to {self.high:+.3f}"
        return f"{self.value:+.3f}, {interval}"


_GAINS = ("deletion", "insertion", "others")


@dataclass(frozen=True)
class MapVerdict:
    """Result of :mod:`cardiograph.explain.map_check`.

    Args:
        pages: Number of held-out pages, one of each group.
        deletion: Gain of deletion in the order of the map, compared with random maps.
        insertion: Gain of insertion in the order of the map, compared with random maps.
        others: Mean gain of both, compared with the mean map of the other pages.
        randoms: Number of random maps for each page.
        seed: Seed of pages, random maps and intervals.
    """

    pages: int
    deletion: Gain
    insertion: Gain
    others: Gain
    randoms: int
    seed: int

    @property
    def shown(self) -> bool:
        """Whether maps are shown: all three intervals are above 0."""
        return self._beats_random and self.others.low > 0

    @property
    def sentence(self) -> str:
        """The result as a sentence."""
        found = "better" if self._beats_random else "no better"
        sentence = (
            f"on {self.pages} held-out pages the maps did {found} than random maps of the same smoothness (deletion "
            f"{self.deletion}; insertion {self.insertion})"
        )
        if not self._beats_random:
            return sentence
        link = "and better than" if self.shown else "but do not distinguish pages: no better than"
        return f"{sentence}, {link} the mean map of the other pages ({self.others})"

    @property
    def _beats_random(self) -> bool:
        return self.deletion.low > 0 and self.insertion.low > 0

    def as_dict(self) -> dict[str, Any]:
        """Return values ready for JSON, with None instead of NaN."""
        content = asdict(self)
        for name in _GAINS:
            content[name] = {key: None if math.isnan(each) else each for key, each in content[name].items()}
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Build a verdict from the result of :meth:`as_dict`."""
        gains = {
            name: Gain(**{key: math.nan if each is None else each for key, each in content[name].items()})
            for name in _GAINS
        }
        return cls(**content | gains)
