"""The monitoring page: how recent patients differ from those on which the run was tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from cardiograph.monitor.drift import MIN_RECORDS
from cardiograph.monitor.performance import MIN_EACH
from cardiograph.monitor.sample import MISSING, NOVEL
from cardiograph.service.monitoring import FEWEST, Monitoring, Snapshot
from cardiograph.service.state import serving_of
from cardiograph.service.web.other_texts import translated
from cardiograph.service.web.site import site_of

router = APIRouter(include_in_schema=False)

BAR = 100.0
"""Width of the longest bar of the volume, in units of its view."""


@dataclass(frozen=True)
class Change:
    """A comparison, prepared for the template.

    Args:
        name: Title of the value, or of the block or value that is missing.
        kind: ``mean``, ``missing`` or ``novel``.
        before: Mean, or share, in the test patients of the run.
        now: The same in recent patients.
        effect: Largest difference of shares, 0..1.
        alert: Whether it raises an alert.
        note: What a reader has to know about the recent values; empty if nothing.
    """

    name: str
    kind: str
    before: float
    now: float
    effect: float
    alert: bool
    note: str


@dataclass(frozen=True)
class Week:
    """A week of predictions.

    Args:
        name: ISO week, such as ``2026-W11``.
        bar: Length of the bar of its volume, up to :data:`BAR`.
        figures: As of :meth:`cardiograph.monitor.content.Recent.summary`.
    """

    name: str
    bar: float
    figures: Mapping[str, Any]


@router.get("/monitoring")
async def page(request: Request) -> Response:
    """Return the monitoring page, with figures that are at most as old as the settings allow."""
    monitoring: Monitoring = request.app.state.monitoring
    site, found = site_of(request), await monitoring.latest()
    settings = serving_of(request).settings
    content = site.render(
        "monitoring.html",
        snapshot=found,
        content=found.content,
        weeks=weeks_of(found),
        changes=changes_of(found, site.titles),
        minutes=settings.monitoring_minutes,
        days=settings.monitoring_days,
        titles=site.titles,
        min_records=MIN_RECORDS,
        min_outcomes=MIN_EACH,
        fewest=FEWEST,
    )
    return HTMLResponse(content)


def weeks_of(snapshot: Snapshot) -> list[Week]:
    """Return the weeks, the latest one first."""
    if snapshot.content is None:
        return []
    weeks = snapshot.content["by"]["week"]
    most = max(each["records"] for each in weeks.values())
    return [
        Week(name, round(BAR * weeks[name]["records"] / most, 1), weeks[name]) for name in sorted(weeks, reverse=True)
    ]


def changes_of(snapshot: Snapshot, titles: Mapping[str, str]) -> list[Change]:
    """Return the comparisons, alerts first, then by their effect."""
    rows = [] if snapshot.content is None else snapshot.content["comparisons"]
    return [_change(row, titles) for row in rows]


def _change(row: Mapping[str, Any], titles: Mapping[str, str]) -> Change:
    name = str(row["what"])
    kind = "novel" if name == NOVEL else "mean"
    if name.endswith(MISSING):
        name, kind = name.removesuffix(MISSING), "missing"
    name = titles.get(name) or translated(name)
    return Change(name, kind, row["reference"], row["recent"], row["effect"], row["alert"], row["note"])
