"""Check for shortcuts: features that should be unrelated to the label but predict it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.audit_input import AuditInput
from cardiograph.audit.findings import Finding, Probe
from cardiograph.audit.probes import cross_validated_auroc, format_auroc
from cardiograph.containers import ClinicalTable
from cardiograph.imaging.page_metadata import PageMetadata

MIN_SHORTCUT_AUROC = 0.6
"""Minimum AUROC at which a shortcut whose interval excludes chance gives a warning."""

MIN_GAP_RECORDS = 5
"""Minimum number of missing and of present values of a column whose gaps are probed."""


@dataclass(frozen=True)
class Suspect:
    """Features that should be unrelated to the label.

    Args:
        code: Code of the finding.
        name: Name of the probe.
        features: [probed records, columns], finite where ``known``.
        known: [probed records] whether the features are available.
        remedy: What to do if they predict the label.
        interactions: Whether to probe with a forest instead of logistic regression.
    """

    code: str
    name: str
    features: NDArray[np.float64]
    known: NDArray[np.bool_]
    remedy: str
    interactions: bool = False


def probe_shortcuts(audited: AuditInput) -> Iterator[Probe | Finding]:
    """Yield a probe for each suspect with enough records, and a finding if it predicts the label."""
    if not len(audited.probed):
        return
    for suspect in suspects(audited, audited.probed):
        rows = audited.probed[suspect.known]
        probe = cross_validated_auroc(
            suspect.features[suspect.known],
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
        if probe.low is not None and probe.low > 0.5 and probe.auroc >= MIN_SHORTCUT_AUROC:
            yield Finding(
                suspect.code,
                "warn",
                f"The label can be predicted from the {suspect.name} alone: {format_auroc(probe)}, {probe.how}.",
                suspect.remedy,
            )


def suspects(audited: AuditInput, rows: NDArray[np.int64]) -> Iterator[Suspect]:
    """Yield all suspects that the cohort has, with the features of some rows."""
    traits = [None] * len(rows) if audited.pages is None else [audited.pages.traits[row] for row in rows]
    if audited.pages is not None:
        yield _header(traits)
        yield _files(traits)
    everyone = np.ones(len(rows), bool)
    for column, code, remedy in (
        (
            "site",
            "shortcut_site",
            "split by site, or compare within a site: the share of sick patients differs between sites",
        ),
        ("acquired_at", "shortcut_acquired_at", "check whether classes were collected at different times"),
    ):
        if column in audited.cohort.table:
            cells = audited.cohort.table[column].iloc[rows]
            features = _one_hot(list(cells)) if column == "site" else _dates(list(cells))
            known = everyone if column == "site" else np.isfinite(features[:, 0])
            yield Suspect(code, f"column {column!r}", features, known, remedy, interactions=column != "site")
    if audited.clinical is not None:
        page = np.array([page is None for page in traits], bool) & (audited.pages is not None)
        yield _missingness(audited.clinical, rows, page)


def _missingness(clinical: ClinicalTable, rows: NDArray[np.int64], page: NDArray[np.bool_]) -> Suspect:
    """Return which clinical values and pages are missing."""
    gaps = np.column_stack([np.isnan(clinical.values[rows]), page])
    some = (gaps.sum(0) >= MIN_GAP_RECORDS) & ((~gaps).sum(0) >= MIN_GAP_RECORDS)
    names = [v.name for v, used in zip(clinical.variables, some[:-1], strict=True) if used]
    gap_names = [f"clinical columns ({', '.join(names)})"] if names else []
    gap_names += ["ECG pages"] if some[-1] else []
    remedy = "check why these values are missing; a test that is ordered only for suspected cases reveals the suspicion"
    name = f"gaps of the {' and the '.join(gap_names)}"
    return Suspect("shortcut_missingness", name, gaps[:, some].astype(float), np.ones(len(page), bool), remedy)


def _header(pages: Sequence[PageMetadata | None]) -> Suspect:
    """Return the grey levels of the printed header and footer."""
    found = [None if traits is None else traits.margin_levels for traits in pages]
    width = next((len(levels) for levels in found if levels is not None), 0)
    blank = np.full(width, 255, np.uint8)
    features = np.array([blank if levels is None else levels for levels in found], np.float64).reshape(len(found), -1)
    known = np.array([levels is not None for levels in found])
    remedy = "hide the header from the encoder (pages.view = 'grid', the default)"
    return Suspect("shortcut_header", "page header and footer", features, known, remedy)


def _files(pages: Sequence[PageMetadata | None]) -> Suspect:
    """Return size, format, compression and brightness of the image files."""
    rows, known = [], [traits for traits in pages if traits is not None]
    for traits in known:
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
    kinds = _one_hot([f"{traits.format} {traits.mode}" for traits in known])
    remedy = (
        "check whether classes come from different scanners or programs; if all come from one, size and brightness "
        "depend on the traces themselves"
    )
    name = "image files (size, format, compression, brightness)"
    present = np.hstack([np.array(rows, np.float64).reshape(len(rows), -1), kinds])
    there = np.array([traits is not None for traits in pages], bool)
    features = np.zeros((len(there), present.shape[1]))
    features[there] = present
    return Suspect("shortcut_file", name, features, there, remedy, interactions=True)


def _one_hot(cells: list[str | None]) -> NDArray[np.float64]:
    """Encode cells as [records, different cells]; a missing cell is a category of its own."""
    kinds, index = np.unique(np.array([str(cell) for cell in cells]), return_inverse=True)
    return np.eye(len(kinds))[index]


def _dates(cells: list[str | None]) -> NDArray[np.float64]:
    """Convert cells to [records, 1] days; NaN for text that is not an ISO 8601 date."""
    import pandas as pd

    moments = pd.to_datetime(
        pd.Series([str(cell) for cell in cells], dtype=object), errors="coerce", format="ISO8601", utc=True
    )
    days = (moments - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta(days=1)
    return np.asarray(days.to_numpy(np.float64)[:, None])
