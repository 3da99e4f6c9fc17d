"""Explanations and similar records, prepared for the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiograph.inference import Query
from cardiograph.service.state import Serving, explained
from cardiograph.service.web.drawings import Bar, NeighbourPlot, bars, mark_of, neighbour_plot
from cardiograph.service.web.ecg_view import EcgView, view_ecg
from cardiograph.service.web.fractions import in_chosen_unit
from cardiograph.service.web.images import heat, lead_map
from cardiograph.service.web.language import gettext
from cardiograph.service.web.other_texts import term, translated, with_unit
from cardiograph.service.web.risk_words import amount
from cardiograph.service.web.wording import BLOCKS

_SIDE = 1400
"""Length of the longer side of the ECG page under its attention map, in pixels."""


@dataclass(frozen=True)
class Effect:
    """A row of effects: name, value as text (empty for a block), effect (-1..1) and bar."""

    name: str
    value: str
    effect: float
    bar: Bar


@dataclass(frozen=True)
class ExplanationView:
    """An explanation, prepared for the template.

    Args:
        content: :meth:`Explanation.as_dict`.
        values: Effects of clinical values, largest first.
        blocks: Effects of the ECG page and of the clinical values as a whole.
        scan: ECG page as a data URL; empty if there is none or its map is not shown.
        heat: Attention map as a data URL; empty likewise.
        coloured: ECG with the map of its leads as a data URL; empty if there is none.
        measurements: Effects of the groups of ECG measurements; empty for a model that does not read them.
        ecg: The uploaded ECG as it was read; None without one.
        part: The class or label that is explained; None for one outcome, and for the most likely class.
    """

    content: dict[str, Any]
    values: tuple[Effect, ...]
    blocks: tuple[Effect, ...]
    scan: str = ""
    heat: str = ""
    coloured: str = ""
    measurements: tuple[Effect, ...] = ()
    ecg: EcgView | None = None
    part: str | None = None


@dataclass(frozen=True)
class Similar:
    """A similar record of a prediction.

    Args:
        record: Similar record, as in the prediction.
        mark: Mark of its label.
        label: Its class, labels, follow-up or label in words.
        without: Effect of removing the record; None before the explanation is computed.
    """

    record: dict[str, Any]
    mark: str
    label: str
    without: dict[str, Any] | None


def why(
    serving: Serving, query: Query, titles: dict[str, str], part: str | None = None, *, percent: bool = False
) -> ExplanationView:
    """Explain a prediction; takes as long as a few predictions.

    Args:
        serving: Application state with model and limits.
        query: Explained query.
        titles: Variable -> title.
        part: Class or label to explain, see :func:`cardiograph.service.state.explained`.
        percent: Whether fractions are shown in percent.

    Raises:
        ProblemError: If the page or a value cannot be used.
    """
    content = explained(serving.predictor, query, part)
    attention = content["map"]
    drawn, ecg = {}, None
    if isinstance(query.page, bytes):
        ecg = view_ecg(query.page, side=_SIDE, config=serving.predictor.bundle.served.pages)
        if attention is not None and attention["shown"] and attention["heat"] is not None:
            drawn = {"scan": ecg.scan, "heat": heat(attention["heat"])}
        elif attention is not None and attention.get("leads") is not None and ecg.leads is not None:
            drawn = {"coloured": lead_map(ecg.leads, attention["leads"]["values"])}
    effects = sorted(content["clinical"]["effects"], key=lambda each: -abs(each["effect"]))
    values = [
        (
            titles[each["name"]],
            with_unit(*in_chosen_unit(each["value"], each["unit"], percent=percent)),
            each["effect"],
        )
        for each in effects
    ]
    shares = [(gettext(BLOCKS[block]), "", effect) for block, effect in content["blocks"].items()]
    groups = [(term(each["name"]), "", each["effect"]) for each in content["measurements"]]
    rows = _with_bars(values + shares + groups)
    first, last = len(values), len(values) + len(shares)
    return ExplanationView(
        content, rows[:first], rows[first:last], **drawn, measurements=rows[last:], ecg=ecg, part=part
    )


def similar(answer: Mapping[str, Any], explained: ExplanationView | None) -> tuple[tuple[Similar, ...], NeighbourPlot]:
    """Return the similar records of a prediction and the neighbour plot."""
    removed = {} if explained is None else {each["record_id"]: each for each in explained.content["neighbours"]}
    records = answer["neighbours"]
    likely = answer.get("likely")  # older answers have none
    rows = []
    for each in records:
        mark = mark_of(each, likely)
        rows.append(Similar(each, mark, _label(each, mark, answer.get("unit")), removed.get(each["record_id"])))
    return tuple(rows), neighbour_plot(records, likely)


def _label(record: Mapping[str, Any], mark: str, unit: str | None) -> str:
    """Return the label of a similar record in words: its class, its labels, or its follow-up."""
    if unit is not None:
        ended, time = translated(record["class_name"] or "") or gettext("no follow-up"), record.get("time")
        return ended if time is None else gettext("%(end)s after %(time)s", end=ended, time=amount(time, unit))
    words = {"unlabelled": gettext("no label"), "positive": gettext("positive"), "negative": gettext("negative")}
    return term(record.get("class_name") or "") or words[mark]


def _with_bars(rows: list[tuple[str, str, float]]) -> tuple[Effect, ...]:
    drawn = bars([effect for _, _, effect in rows])
    return tuple(Effect(*row, bar) for row, bar in zip(rows, drawn, strict=True))
