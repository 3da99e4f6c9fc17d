"""Records of a cohort: who they are, how they are split, and their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiograph.schema import ClinicalVariable, Provenance

if TYPE_CHECKING:
    import pandas as pd


def require(condition: bool, message: str) -> None:
    """Raise a ``ValueError`` unless a condition holds."""
    if not condition:
        raise ValueError(message)


TRAIN, VAL, TEST, EXCLUDED = "train", "val", "test", "excluded"


ADDED = "added"
"""The part of records that became reference records after training: no split has it, the table of an extended run does."""


PARTS = (TRAIN, VAL, TEST)
"""The parts of a split; an ``excluded`` record is an unlabelled one whose group is validated or tested."""


def _finite(values: NDArray[np.float32]) -> bool:
    """Whether all values are finite, looked at in pieces: a mask for a million records would take half a gigabyte."""
    return all(bool(np.isfinite(values[start : start + 8192]).all()) for start in range(0, len(values), 8192))


@dataclass(frozen=True)
class Origin:
    """Where a record stands in its table.

    Args:
        place: Such as ``row 12`` or ``row 12 (record 'p3')``.
        page: Path of its page as written; empty without one.
        folder: Where relative paths start.
    """

    place: str
    page: str
    folder: Path


@dataclass(frozen=True)
class Cohort:
    """All records of a study.

    Args:
        table: One row per record (ECG of a patient), in the order of the input, index 0..n-1. Columns ``record_id`` (str,
            unique), ``patient_id`` (str, or None where not given), ``label`` (int64: 0, 1, -1 unlabelled), ``class_name``
            (str: the label as the user wrote it), ``ecg`` (str: absolute path, or None), ``split`` (str or None),
            ``site`` and ``acquired_at`` where given, and a float64 column per clinical variable (NaN: missing).
        variables: The clinical variables of the cohort, in the order of their columns in the node features.
        outcome: What the user calls label 1.
        synthetic: True where patients and labels come from :mod:`cardiograph.synthesis`.
        unread: The columns of the input that are not in ``table``, cells as written, row by row; None without any. No model
            ever sees them; the audit does.
        origins: Record id -> where it stands in the table; empty for a folder of pages. For messages.
    """

    table: pd.DataFrame
    variables: tuple[ClinicalVariable, ...]
    outcome: str = "positive class"
    synthetic: bool = False
    unread: pd.DataFrame | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {"record_id", "patient_id", "label", "class_name", "ecg", "split", *(v.name for v in self.variables)}
        missing = sorted(columns - set(self.table.columns))
        require(not missing, f"cohort table lacks {missing}")
        require(bool(self.table["record_id"].is_unique), "record ids of a cohort are unique")
        require(self.unread is None or len(self.unread) == len(self.table), "unread columns have the table's rows")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def labels(self) -> NDArray[np.int64]:
        """[records] 0, 1 or -1 (unlabelled)."""
        return self.table["label"].to_numpy(np.int64)

    @property
    def record_ids(self) -> NDArray[np.object_]:
        """[records] unique names."""
        return self.table["record_id"].to_numpy(object)

    @property
    def has_pages(self) -> bool:
        """Whether some records have an ECG page."""
        return bool(self.table["ecg"].notna().any())


@dataclass(frozen=True)
class Groups:
    """Rows that must not be parted.

    Args:
        index: [records] int64 group number, 0..groups-1 in order of first appearance.
        links: Why records share a group, counted: ``{"patient": 40, "same pixels": 200, "near copy": 12}``; the number of
            record pairs joined for each reason (links of the spanning forest, not all pairs).
    """

    index: NDArray[np.int64]
    links: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.index.max()) + 1 if len(self.index) else 0


@dataclass(frozen=True)
class Split:
    """Which part each record belongs to.

    Args:
        part: [records] ``train``, ``val``, ``test`` or ``excluded``.
        groups: The groups that were kept whole.
        source: ``drawn`` by this program or ``given`` in the table.
    """

    part: NDArray[np.str_]
    groups: Groups
    source: str

    def __post_init__(self) -> None:
        require(len(self.part) == len(self.groups.index), "a split has a part and a group for each record")
        require(set(self.part) <= {*PARTS, EXCLUDED}, f"parts are {PARTS} or {EXCLUDED!r}")

    def rows(self, part: str) -> NDArray[np.int64]:
        """Row numbers of ``part``, ascending."""
        return np.flatnonzero(self.part == part).astype(np.int64)


@dataclass(frozen=True)
class ClinicalTable:
    """Clinical values in their units, before any scaling.

    Args:
        values: [records, variables] float64, NaN where missing.
        variables: One for each column.
        provenance: One for each column.
    """

    values: NDArray[np.float64]
    variables: tuple[ClinicalVariable, ...]
    provenance: tuple[Provenance, ...]

    def __post_init__(self) -> None:
        require(self.values.ndim == 2, "clinical values are a matrix [records, variables]")
        require(
            self.values.shape[1] == len(self.variables) == len(self.provenance),
            "a variable and a provenance for each column",
        )


@dataclass(frozen=True)
class ImageEmbeddings:
    """What the encoder made of the pages.

    Args:
        values: [records, width] float32, NaN throughout where a record has no page.
        fingerprint: Fingerprint of the encoder: weights, preprocessing, view, engine, precision.
    """

    values: NDArray[np.float32]
    fingerprint: str

    def __post_init__(self) -> None:
        require(
            self.values.ndim == 2 and self.values.dtype == np.float32,
            "embeddings are a float32 matrix [records, width]",
        )
        absent = np.isnan(self.values).all(1)
        require(
            bool(np.isfinite(self.values[~absent]).all()), "embeddings are finite, or NaN throughout without a page"
        )


@dataclass(frozen=True)
class NodeFeatures:
    """Fused features of records, as the networks and the neighbour search see them.

    Args:
        values: [records, features] float32, finite.
        names: One for each feature (``image_17``, ``ef``, ``bnp_missing``).
        blocks: Column range of each block: ``{"image": (0, 512), "clinical": (512, 517)}``.
        present: [records, blocks] whether the record has a block, in the order of ``blocks``; an absent one is all 0.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    blocks: dict[str, tuple[int, int]]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        require(self.values.ndim == 2 and self.values.shape[1] == len(self.names), "a name for each feature")
        require(_finite(self.values), "node features are finite")
        require(self.present.shape == (len(self.values), len(self.blocks)), "presence is [records, blocks]")
