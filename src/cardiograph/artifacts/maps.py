"""Whether a model's attention maps were checked, and what came of it: kept in the bundle, read before a map is shown."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

UNCHECKED = "not checked: `cardiograph check-maps RUN` holds maps against random ones on held-out pages"
"""Why no map is shown of a model whose maps nobody checked."""


@dataclass(frozen=True)
class Gain:
    """By how much more maps moved the score than other maps did, on average over pages.

    Args:
        value: In units of the raw score, the difference of the logits; above 0: the maps did better.
        low: Lower end of the 95 % interval over groups; NaN with too few pages.
        high: Upper end.
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
        pages: Held-out pages, one of each group.
        deletion: Pixels taken away in the order of the map, against random maps.
        insertion: Pixels put back in the order of the map, against random maps.
        others: Mean of both, against the mean map of the other pages.
        randoms: Random maps of each page.
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
        """Whether all three intervals lie above 0."""
        return self._beats_random and self.others.low > 0

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        found = "better" if self._beats_random else "no better"
        told = (
            f"on {self.pages} held-out pages the maps did {found} than random maps of the same smoothness (deletion "
            f"{self.deletion}; insertion {self.insertion})"
        )
        if not self._beats_random:
            return told
        link = "and better than" if self.shown else "but do not tell one page from another: no better than"
        return f"{told}, {link} the mean map of the other pages ({self.others})"

    @property
    def _beats_random(self) -> bool:
        return self.deletion.low > 0 and self.insertion.low > 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, which has no NaN: None instead."""
        content = asdict(self)
        for name in _GAINS:
            content[name] = {key: None if math.isnan(each) else each for key, each in content[name].items()}
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of :meth:`as_dict`."""
        gains = {
            name: Gain(**{key: math.nan if each is None else each for key, each in content[name].items()})
            for name in _GAINS
        }
        return cls(**content | gains)
