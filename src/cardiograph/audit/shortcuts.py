"""Shortcuts: what should not know the label, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.findings import Finding, Probe
from cardiograph.audit.probes import cross_validated_auroc, told
from cardiograph.audit.subject import AuditedPages, AuditInput
from cardiograph.containers import ClinicalTable

WORTH_TELLING = 0.6
"""AUROC from which a shortcut whose interval excludes chance is a warning."""

FEWEST_GAPS = 5
"""Values of a column that have to be missing, and to be there, before its gaps are probed."""


@dataclass(frozen=True)
class Suspect:
    """Something that should not know the label.

    Args:
        code: Code of the finding.
        name: Name of the probe, in words.
        features: [records, columns], finite where ``known``.
        known: [records] whether there is anything to look at.
        remedy: What to do about it.
        interactions: Whether a forest looks at it, rather than logistic regression.
    """

    code: str
    name: str
    features: NDArray[np.float64]
    known: NDArray[np.bool_]
    remedy: str
    interactions: bool = False


def probe_shortcuts(audited: AuditInput) -> Iterator[Probe | Finding]:
    """A probe for each suspect that can be looked at, and a finding where it knows the label."""
    for suspect in suspects(audited):
        rows = np.flatnonzero(suspect.known & (audited.cohort.labels >= 0))
        probe = cross_validated_auroc(
            suspect.features[rows],
            audited.cohort.labels[rows],
            audited.groups.index[rows],
            seed=audited.seed,
            name=suspect.name,
            shortcut=True,
            interactions=suspect.interactions,
        )
        if probe is None:
            continue
        yield probe
        if probe.low is not None and probe.low > 0.5 and probe.auroc >= WORTH_TELLING:
            yield Finding(
                suspect.code,
                "warn",
                f"The label can be predicted from the {suspect.name} alone: {told(probe)}, {probe.how}.",
                suspect.remedy,
            )


def suspects(audited: AuditInput) -> Iterator[Suspect]:
    """All that should not know the label, as far as the cohort has it."""
    if audited.pages is not None:
        yield header(audited.pages)
        yield _files(audited.pages)
    everyone = np.ones(len(audited.cohort), bool)
    for column, code, remedy in (
        (
            "site",
            "shortcut_site",
            "keep sites apart in the split, or compare within a site: sites differ in who is sick",
        ),
        ("acquired_at", "shortcut_acquired_at", "see whether classes were collected at different times"),
    ):
        if column in audited.cohort.table:
            cells = audited.cohort.table[column]
            features = _one_hot(list(cells)) if column == "site" else _dates(list(cells))
            known = everyone if column == "site" else np.isfinite(features[:, 0])
            yield Suspect(code, f"column {column!r}", features, known, remedy, interactions=column != "site")
    if audited.clinical is not None:
        yield _gaps(audited, audited.clinical)


def _gaps(audited: AuditInput, clinical: ClinicalTable) -> Suspect:
    """Which values, and which pages, are missing."""
    page = np.zeros(len(audited.cohort), bool)
    if audited.pages is not None:
        page = np.array([traits is None for traits in audited.pages.traits], bool)
    gaps = np.column_stack([np.isnan(clinical.values), page])
    some = (gaps.sum(0) >= FEWEST_GAPS) & ((~gaps).sum(0) >= FEWEST_GAPS)
    names = [v.name for v, used in zip(clinical.variables, some[:-1], strict=True) if used]
    told_names = [f"clinical columns ({', '.join(names)})"] if names else []
    told_names += ["ECG pages"] if some[-1] else []
    remedy = "see why these values are missing; a test that is ordered for the sick tells who was thought sick"
    name = f"gaps of the {' and the '.join(told_names)}"
    return Suspect("shortcut_missingness", name, gaps[:, some].astype(float), np.ones(len(page), bool), remedy)


def header(pages: AuditedPages) -> Suspect:
    """Printed header and footer."""
    found = [None if traits is None else traits.margin_levels for traits in pages.traits]
    width = next((len(levels) for levels in found if levels is not None), 0)
    blank = np.full(width, 255, np.uint8)
    features = np.array([blank if levels is None else levels for levels in found], np.float64).reshape(len(found), -1)
    known = np.array([levels is not None for levels in found])
    remedy = "keep the header out of the encoder's view (pages.view = 'grid', the default)"
    return Suspect("shortcut_header", "page header and footer", features, known, remedy)


def _files(pages: AuditedPages) -> Suspect:
    """Size, format, compression and brightness of the picture files."""
    rows = []
    for _, traits in pages.known:
        pixels = traits.width * traits.height
        rows.append(
            [
                np.log(traits.width),
                np.log(traits.height),
                8 * traits.file_bytes / pixels,
                -1.0 if traits.quantisation is None else traits.quantisation,
                traits.brightness,
            ]
        )
    kinds = _one_hot([f"{traits.format} {traits.mode}" for _, traits in pages.known])
    remedy = (
        "see whether classes come from different scanners or programs; if all come from one, size and brightness tell of "
        "the traces themselves"
    )
    name = "image files (size, format, compression, brightness)"
    told = np.hstack([np.array(rows, np.float64).reshape(len(rows), -1), kinds])
    known = np.array([traits is not None for traits in pages.traits], bool)
    features = np.zeros((len(known), told.shape[1]))
    features[known] = told
    return Suspect("shortcut_file", name, features, known, remedy, interactions=True)


def _one_hot(cells: list[str | None]) -> NDArray[np.float64]:
    """[records, different cells]; a missing one is a kind of its own."""
    kinds = sorted({str(cell) for cell in cells})
    index = np.array([kinds.index(str(cell)) for cell in cells], np.int64)
    return np.eye(len(kinds))[index]


def _dates(cells: list[str | None]) -> NDArray[np.float64]:
    """[records, 1] days; NaN where the text is no date in ISO 8601."""
    import pandas as pd

    moments = pd.to_datetime(
        pd.Series([str(cell) for cell in cells], dtype=object), errors="coerce", format="ISO8601", utc=True
    )
    days = (moments - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta(days=1)
    return np.asarray(days.to_numpy(np.float64)[:, None])
