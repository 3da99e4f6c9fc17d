"""Lines of a page that are no leads: the edge of the sheet, handwriting, or rows of a second sheet beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cardiograph.ecg.digitize.heart import repeats_a_beat, togetherness
from cardiograph.ecg.digitize.ink import Ink
from cardiograph.ecg.digitize.labels import Label
from cardiograph.ecg.digitize.layout import SINGLE, SURE_NAME, Layout, find_layout, named_strips
from cardiograph.ecg.digitize.traces import Trace

SURE_CONFIDENCE, SURE_LIMB = 0.35, 0.75
"""Confidence, and agreement of the limb leads, from which an arrangement is not questioned."""

MIN_STRIP = 0.55
"""Least correlation of the steep parts of a rhythm strip with those of another row; 0.7 to 0.95 on shared pages."""

MIN_ROWS, MAX_LEFT_OUT, COST = 3, 4, 0.02
"""Fewest rows that are kept, most that are left out, and confidence that each row left out costs."""

Traces = tuple[Trace, ...]


def is_sure(layout: Layout) -> bool:
    """Return whether names or limb leads leave no doubt about an arrangement and the way up of its page."""
    return layout.confidence >= SURE_CONFIDENCE or layout.limb >= SURE_LIMB


def find_leads(traces: Traces, ink: Ink, labels: tuple[Label, ...]) -> tuple[Traces, Layout | None]:
    """Find the arrangement of a page; rows without which an arrangement fits surely are left out.

    Args:
        traces: Rows from top to bottom.
        ink: Pen strokes of the page.
        labels: Printed lead names.

    Returns:
        The rows that are leads, and their arrangement as :func:`find_layout` returns it.
    """
    leads, layout = traces, find_layout(traces, ink, labels)
    if layout is None or not is_sure(layout):
        best = 0.0 if layout is None else layout.confidence
        for kept in _fewer(traces):
            other = find_layout(kept, ink, labels)
            if other is None or not is_sure(other) or SINGLE in other.name:
                continue
            score = other.confidence - COST * (len(traces) - len(kept))
            if score > best:
                best, leads, layout = score, kept, other
    if layout is None or not is_sure(layout):
        kept = tuple(trace for trace in traces if repeats_a_beat(trace.height, named=True))
        single = find_layout(kept, ink, labels) if len(kept) == 1 else None
        if single is not None and single.placements[0].confidence >= SURE_NAME:
            leads, layout = kept, single
    kept = leads if layout is None else _without_strange_strips(leads, layout, labels)
    return (leads, layout) if kept == leads else (kept, find_layout(kept, ink, labels))


def _fewer(traces: Traces) -> Iterator[Traces]:
    """Yield the rows without those that do not beat with another one, without outer ones, and without a single one."""
    steep = togetherness([trace.height for trace in traces])
    number = len(traces)
    chosen = [tuple(np.flatnonzero(steep >= MIN_STRIP).tolist())]
    for first in range(number):
        chosen += [tuple(range(first, last)) for last in range(number, first, -1)]
    chosen += [tuple(row for row in range(number) if row != out) for out in range(1, number - 1)]
    for rows in dict.fromkeys(chosen):
        if max(MIN_ROWS, number - MAX_LEFT_OUT) <= len(rows) < number:
            yield tuple(traces[row] for row in rows)


def _without_strange_strips(traces: Traces, layout: Layout, labels: tuple[Label, ...]) -> Traces:
    """Leave out rows below the arrangement that neither bear a name nor beat with another row."""
    kept = togetherness([trace.height for trace in traces]) >= MIN_STRIP
    kept |= np.array(named_strips(traces, labels))
    kept[: len(traces) - layout.strips] = True
    return tuple(trace for row, trace in enumerate(traces) if kept[row])
