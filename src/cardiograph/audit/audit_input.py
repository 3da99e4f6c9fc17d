"""Input of an audit: a cohort, its pages and the split to audit; nothing is fitted yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.probes import sample_groups
from cardiograph.containers import ClinicalTable, Cohort, Groups
from cardiograph.errors import Issue
from cardiograph.imaging.page_metadata import PageMetadata
from cardiograph.schema import UNLABELLED

MAX_PROBED = 5000
"""Records that probes read at most. With 2,500 of each label, a 95 % interval of an AUROC is about +-0.015."""


@dataclass(frozen=True)
class AuditedPages:
    """Pages of a cohort, one entry per record.

    Args:
        traits: [records] page metadata, None without a page.
        pixel_hashes: [records] hash of the pixels, None without a page.
        perceptual_hashes: [records, bytes] uint8 hash of the traces; undefined without a page.
        skipped: Faults of unusable pages, whose records were removed from the cohort.
        remarks: [records] remarks on a page that is used nevertheless; empty if there are none.
        seen: Rows of recordings on which the encoder was pretrained.
    """

    traits: Sequence[PageMetadata | None]
    pixel_hashes: Sequence[str | None]
    perceptual_hashes: NDArray[np.uint8]
    skipped: tuple[Issue, ...] = ()
    remarks: Sequence[tuple[str, ...]] = ()
    seen: Sequence[int] = ()

    @property
    def known(self) -> list[tuple[int, PageMetadata]]:
        """Row and page metadata of each record with a page."""
        return [(row, traits) for row, traits in enumerate(self.traits) if traits is not None]


@dataclass(frozen=True)
class AuditInput:
    """Cohort to audit.

    Args:
        name: Name of the table or folder.
        cohort: Records of the cohort.
        pages: Pages of the records; None for a cohort without pages.
        groups: Groups of rows that must stay in one part: patients and copies.
        part: [records] ``train``, ``val``, ``test`` or ``excluded`` in the split to audit; None if no split can be
            drawn.
        split: Description of that split: ``given in the table``, ``drawn by group``, ``a random split of rows``.
        clinical: Values that a model would read, measured or simulated; None if there are none.
        unread: Columns that the model does not read: name -> [records] cells as written (text or number, "" if empty).
        near_copies: Whether near-copies count as copies.
        skip_bad: Whether bad pages are left out (True) or stop a run (False).
        label_definition: Columns that define the label according to the user.
        accepted: Codes of blocking findings that the user accepts.
        seed: Seed of cross-validation and resampling.
        embedding_width: Number of features of a page.
    """

    name: str
    cohort: Cohort
    pages: AuditedPages | None
    groups: Groups
    part: NDArray[np.str_] | None
    split: str
    clinical: ClinicalTable | None
    unread: Mapping[str, Sequence[str | int | float]] = field(default_factory=dict)
    near_copies: bool = True
    skip_bad: bool = False
    label_definition: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    seed: int = 42
    embedding_width: int = 512

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Rows with a label."""
        return np.flatnonzero(self.cohort.labels >= 0)

    @cached_property
    def probed(self) -> NDArray[np.int64]:
        """Rows that probes read: those with a label, or a sample of whole groups if there are many."""
        rows = self.labelled
        if len(rows) <= MAX_PROBED:
            return rows
        rng = np.random.default_rng(self.seed)
        return rows[sample_groups(self.cohort.labels[rows], self.groups.index[rows], MAX_PROBED, rng)]

    def ids(self, rows: Sequence[int] | NDArray[np.int64]) -> tuple[str, ...]:
        """Return the record IDs of rows."""
        names = self.cohort.record_ids
        return tuple(str(names[row]) for row in rows)


def record_classes(audited: AuditInput) -> list[str]:
    """Return the [records] class name in the table; ``unlabelled`` if there is no label."""
    names = zip(audited.cohort.table["class_name"], audited.cohort.labels, strict=True)
    return ["unlabelled" if label == UNLABELLED else str(name) for name, label in names]


def count_files(audited: AuditInput) -> tuple[int, int, dict[str, dict[str, int]]]:
    """Return the number of pages, of different pages, and both with the number of records for each class."""
    pages = audited.pages
    hashes = [None] * len(audited.cohort) if pages is None else list(pages.pixel_hashes)
    members: dict[str, list[Any]] = {}
    for name, page in zip(record_classes(audited), hashes, strict=True):
        members.setdefault(name, []).append(page)

    def counted(found: list[Any]) -> dict[str, int]:
        files = [page for page in found if page is not None]
        return {"files": len(files), "different": len(set(files)), "records": len(found)}

    whole = counted(hashes)
    return whole["files"], whole["different"], {name: counted(found) for name, found in members.items()}
