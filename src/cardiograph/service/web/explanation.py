"""What moved an answer, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiograph.inference import Query
from cardiograph.service.state import Serving, explained
from cardiograph.service.web.drawings import Bar, Surroundings, bars, mark_of, surroundings
from cardiograph.service.web.images import heat, scan

_SIDE = 1400
"""Pixels of the longer side of the page under its map."""


@dataclass(frozen=True)
class Effect:
    """A row of effects: its name, its value in words (empty for a block), the effect in 0..1, and its bar."""

    name: str
    value: str
    effect: float
    bar: Bar


@dataclass(frozen=True)
class Why:
    """An explanation for the page.

    Args:
        told: :meth:`Explanation.as_dict`.
        values: Effects of clinical values, the largest first.
        blocks: Effects of page and values.
        scan: The page as a data address; empty without a page, or where its map is not shown.
        heat: Its map, likewise.
    """

    told: dict[str, Any]
    values: tuple[Effect, ...]
    blocks: tuple[Effect, ...]
    scan: str = ""
    heat: str = ""


@dataclass(frozen=True)
class Similar:
    """A similar record of the answer.

    Args:
        record: As in the answer.
        mark: Mark of its label.
        without: What the explanation says of its removal; None before it is there.
    """

    record: dict[str, Any]
    mark: str
    without: dict[str, Any] | None


def why(serving: Serving, query: Query, titles: dict[str, str]) -> Why:
    """Explain an answer; takes as long as a few predictions.

    Args:
        serving: Model and limits.
        query: What was asked.
        titles: Variable -> name for people.

    Raises:
        ProblemError: The page or a value cannot be used.
    """
    told = explained(serving.predictor, query)
    attention = told["map"]
    drawn = {}
    if attention is not None and attention["shown"] and isinstance(query.page, bytes):
        limit = min(serving.settings.max_pixels, serving.predictor.bundle.served.pages.max_pixels)
        drawn = {"scan": scan(query.page, side=_SIDE, max_pixels=limit), "heat": heat(attention["heat"])}
    effects = sorted(told["clinical"]["effects"], key=lambda each: -abs(each["effect"]))
    values = [
        (titles[each["name"]], f"{each['value']:.12g} {each['unit']}".strip(), each["effect"]) for each in effects
    ]
    shares = [("ECG page", "", told["blocks"]["image"]), ("clinical values", "", told["blocks"]["clinical"])]
    rows = _with_bars(values + shares)
    return Why(told, rows[: len(values)], rows[len(values) :], **drawn)


def similar(answer: Mapping[str, Any], explained: Why | None) -> tuple[tuple[Similar, ...], Surroundings]:
    """The similar records of an answer, and where they lie in the picture."""
    removed = {} if explained is None else {each["record_id"]: each for each in explained.told["neighbours"]}
    records = answer["neighbours"]
    rows = tuple(Similar(each, mark_of(each["label"]), removed.get(each["record_id"])) for each in records)
    return rows, surroundings(records)


def _with_bars(rows: list[tuple[str, str, float]]) -> tuple[Effect, ...]:
    drawn = bars([effect for _, _, effect in rows])
    return tuple(Effect(*row, bar) for row, bar in zip(rows, drawn, strict=True))
