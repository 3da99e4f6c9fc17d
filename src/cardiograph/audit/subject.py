"""What an audit looks at: a cohort that was read, its pages, the split to be judged, and nothing that was learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ClinicalTable, Cohort, Groups
from cardiograph.errors import Issue
from cardiograph.imaging.page_metadata import PageMetadata
from cardiograph.schema import UNLABELLED


@dataclass(frozen=True)
class AuditedPages:
    """The pages of a cohort, record by record.

    Args:
        traits: [records], None without a page.
        pixel_hashes: [records] equal for equal pixels, None without a page.
        perceptual_hashes: [records, bytes] uint8, of the traces; not looked at without a page.
        skipped: Faults of pages that cannot be used; their records are not in the cohort any more.
        remarks: [records] what has to be known of a page that is used; empty where nothing has.
    """

    traits: Sequence[PageMetadata | None]
    pixel_hashes: Sequence[str | None]
    perceptual_hashes: NDArray[np.uint8]
    skipped: tuple[Issue, ...] = ()
    remarks: Sequence[tuple[str, ...]] = ()

    @property
    def known(self) -> list[tuple[int, PageMetadata]]:
        """Row and traits of each record that has a page."""
        return [(row, traits) for row, traits in enumerate(self.traits) if traits is not None]


@dataclass(frozen=True)
class AuditInput:
    """A cohort under audit.

    Args:
        name: Name of the table or folder.
        cohort: Its records.
        pages: None for a cohort without pages.
        groups: Rows that must not be parted: patients and copies.
        part: [records] ``train``, ``val``, ``test`` or ``excluded`` of the split to be judged; None where none can be drawn.
        split: That split in words: ``given in the table``, ``drawn by group``, ``a random split of rows``.
        clinical: The values that a model would read, measured or simulated; None without.
        unread: Columns of the table that nothing reads: name -> [records] cells as written (text or number, "" for empty).
        near_copies: Whether near-copies are told apart from strangers at all.
        skip_bad: Whether bad pages are left out (True) or stop a run (False).
        label_definition: Columns by which the user says that the label was defined.
        accepted: Codes of blocking findings that the user accepts.
        seed: Seed of cross-validation and resampling.
        embedding_width: Values that a page adds to the features of a record.
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
        """Rows whose label is known."""
        return np.flatnonzero(self.cohort.labels >= 0)

    def ids(self, rows: Sequence[int] | NDArray[np.int64]) -> tuple[str, ...]:
        """Record ids of rows."""
        return tuple(str(self.cohort.record_ids[row]) for row in rows)


def class_names(audited: AuditInput) -> list[str]:
    """[records] the label as the user wrote it; ``unlabelled`` where there is none."""
    names = zip(audited.cohort.table["class_name"], audited.cohort.labels, strict=True)
    return ["unlabelled" if label == UNLABELLED else str(name) for name, label in names]


def count_files(audited: AuditInput) -> tuple[int, int, dict[str, dict[str, int]]]:
    """Records with a page, different pages among them, and both by class (with its records)."""
    pages = audited.pages
    hashes = [None] * len(audited.cohort) if pages is None else list(pages.pixel_hashes)
    members: dict[str, list[Any]] = {}
    for name, page in zip(class_names(audited), hashes, strict=True):
        members.setdefault(name, []).append(page)

    def counted(found: list[Any]) -> dict[str, int]:
        files = [page for page in found if page is not None]
        return {"files": len(files), "different": len(set(files)), "records": len(found)}

    whole = counted(hashes)
    return whole["files"], whole["different"], {name: counted(found) for name, found in members.items()}
