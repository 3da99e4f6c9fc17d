"""Check for columns that are known only after the outcome, by their names and their values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.audit_input import AuditInput
from cardiograph.audit.findings import Finding
from cardiograph.audit.probes import format_auroc, rank_probe

LATE_WORDS = frozenset(
    {
        *("followup", "survival", "survived", "survivor", "death", "died", "dead", "deceased", "mortality", "dod"),
        *("discharge", "discharged", "readmission", "readmitted", "outcome", "event", "stay", "los"),
        *("censor", "censored", "censoring", "tte"),
    }
)
"""Words in a column name that refer to events after the ECG."""

EARLIER_WORDS = frozenset({"prior", "previous", "history", "family", "before", "baseline", "risk"})
"""Words that cancel the late words: a family history of death is known beforehand."""

TIME_WORDS = frozenset({"time", "day", "days", "week", "weeks", "month", "months", "duration", "tstop", "stop"})
"""Words for a duration, which may be the time to the event."""

MIN_LABEL_RECORDS = 5
"""Minimum number of records per label for judging the values of a column."""

MIN_SHORTER_AUROC = 0.65
"""Minimum AUROC at which a duration that is shorter for label 1 looks like the time to an event."""

MIN_LIKENESS = 0.999
"""Correlation with the time to the event from which a column counts as a copy of it."""

Cells = Sequence[str | int | float]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def check_late(audited: AuditInput) -> Iterator[Finding]:
    """Yield a finding for each column, read by the model or not, that seems to be known only after the outcome."""
    read: dict[str, Cells] = {}
    if audited.clinical is not None and set(audited.clinical.provenance) <= {"measured", "synthetic patient"}:
        names = [variable.name for variable in audited.clinical.variables]
        read = {
            name: ["" if value != value else value for value in audited.clinical.values[:, column].tolist()]  # NaN
            for column, name in enumerate(names)
        }
    for columns, severity in ((read, "block"), (audited.unread, "warn")):
        yield from _columns(audited, columns, blocking=severity == "block")


def _columns(audited: AuditInput, columns: Mapping[str, Cells], *, blocking: bool) -> Iterator[Finding]:
    for name, cells in columns.items():
        reasons = [reason for reason in (_late_by_name(name), *_late_by_values(audited, name, cells)) if reason]
        if not reasons:
            continue
        use = "The model would read it." if blocking else "The model does not read it, and must not."
        action = (
            "leave it out: its value is unknown at the time of the ECG"
            if blocking
            else "do not map it to a variable of the model"
        )
        yield Finding(
            "late_column",
            "block" if blocking else "warn",
            f"Column {name!r} seems to be known only after the outcome: {'; '.join(reasons)}. {use}",
            action,
            column=name,
        )


def words_of(name: str) -> list[str]:
    """Split a column name into lower-case words; ``DaysToDeath``, ``days_to_death`` and ``Days to death`` are equal."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = re.findall(r"[a-z]+", spaced.lower())
    return re.sub(r"\bfollow up\b", "followup", " ".join(words)).split()


def _late_by_name(name: str) -> str:
    """Return why the name refers to a time after the outcome, or an empty string."""
    words = words_of(name)
    if EARLIER_WORDS & set(words):
        return ""
    late = LATE_WORDS & set(words)
    if late:
        return f"its name contains {' and '.join(sorted(late))}"
    bare = [word for word in words if word not in ("in", "d", "days", "months", "years")]
    pairs = {("time", "to"), ("days", "to"), ("months", "to")}
    if bare == ["time"] or pairs & set(itertools.pairwise(words)):
        return "its name describes a time to an event or a follow-up"
    return ""


def _late_by_values(audited: AuditInput, name: str, cells: Cells) -> Iterator[str]:
    """Yield reasons why the values look late; empty strings for tests that find nothing."""
    rows = audited.labelled
    labels, classes = audited.cohort.labels[rows], audited.cohort.class_count
    if min((labels == label).sum() for label in range(classes)) < MIN_LABEL_RECORDS:
        return
    given = [cells[row] for row in rows]
    if "time" in audited.cohort.table:
        yield _follow_up(_numbers(given), audited.cohort.table["time"].to_numpy(np.float64)[rows])
    filled = np.array([cell not in ("", None) for cell in given])
    yield _one_sided(filled, labels, audited.cohort.classes or ("label 0", "label 1"))
    if filled.all() and len(set(given)) == classes == len(set(zip(given, labels.tolist(), strict=True))):
        yield f"its {'two' if classes == 2 else classes} values are the label under other names"
    if "acquired_at" in audited.cohort.table:
        yield _later(given, list(audited.cohort.table["acquired_at"].to_numpy(object)[rows]))
    if TIME_WORDS & set(words_of(name)) and not audited.cohort.classes:
        rows = audited.probed
        given, labels, groups = [cells[row] for row in rows], audited.cohort.labels[rows], audited.groups.index[rows]
        yield _shorter(_numbers(given), labels, groups, seed=audited.seed)


def _follow_up(values: NDArray[np.float64], time: NDArray[np.float64]) -> str:
    """Detect a copy of the time to the event, also in another unit."""
    known = np.isfinite(values)
    if known.sum() < MIN_LABEL_RECORDS or len(np.unique(values[known])) < 3:
        return ""
    likeness = float(np.corrcoef(values[known], time[known])[0, 1])
    return "it is the time to the event, in the same or another unit" if likeness > MIN_LIKENESS else ""


def _one_sided(filled: NDArray[np.bool_], labels: NDArray[np.int64], names: Sequence[str]) -> str:
    """Detect a column that is filled for one label and never for another."""
    for label, name in enumerate(names):
        inside, outside = filled[labels == label], filled[labels != label]
        if inside.sum() >= MIN_LABEL_RECORDS and inside.mean() > 0.5 and not outside.any():
            return f"it is filled in {inside.sum()} of {len(inside)} records of {name} and in none of the others"
    return ""


def _later(cells: Cells, acquired: Sequence[object]) -> str:
    """Detect dates after the ECG."""
    import pandas as pd

    texts = [cell if isinstance(cell, str) and _DATE.match(cell) else None for cell in cells]
    if len(texts) - texts.count(None) < MIN_LABEL_RECORDS:
        return ""
    own = pd.to_datetime(pd.Series(texts, dtype=object), errors="coerce", format="ISO8601", utc=True)
    ecg = pd.to_datetime(
        pd.Series([str(cell) for cell in acquired], dtype=object), errors="coerce", format="ISO8601", utc=True
    )
    both = own.notna() & ecg.notna()
    after = int((own[both] > ecg[both]).sum())
    if both.sum() < MIN_LABEL_RECORDS or after < 0.5 * both.sum():
        return ""
    return f"its date is later than acquired_at in {after} of {int(both.sum())} records"


def _shorter(values: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[np.int64], *, seed: int) -> str:
    """Detect a duration that is shorter for label 1, as the time to an event is."""
    known = np.isfinite(values)
    values, labels, groups = values[known], labels[known], groups[known]
    if len(np.unique(values)) < 10 or len(np.unique(labels)) < 2 or (values < 0).any():
        return ""
    probe = rank_probe(-values, labels, groups, seed=seed, name="", shortcut=True, how="")
    if probe.auroc < MIN_SHORTER_AUROC or probe.low is None or probe.low <= 0.5:
        return ""
    medians = [float(np.median(values[labels == label])) for label in (1, 0)]
    shorter = f"it is shorter for label 1 (median {medians[0]:g} against {medians[1]:g}; {format_auroc(probe)})"
    return f"{shorter}, like a time to the event"


def _numbers(cells: Cells) -> NDArray[np.float64]:
    """Convert cells to numbers; NaN for a cell that is not a plain number."""
    found = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        try:
            found[row] = float(cell) if cell != "" else np.nan
        except ValueError:
            continue
    return np.where(np.isfinite(found), found, np.nan)
