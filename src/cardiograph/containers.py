"""The nouns that travel between stages; each checks its lengths, shapes and ids when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.schema import ClinicalVariable, Provenance

if TYPE_CHECKING:
    import pandas as pd

TRAIN, VAL, TEST, EXCLUDED = "train", "val", "test", "excluded"
ADDED = "added"
"""The part of records that became reference records after training: no split has it, the table of an extended run does."""
PARTS = (TRAIN, VAL, TEST)
"""The parts of a split; an ``excluded`` record is an unlabelled one whose group is validated or tested."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _finite(values: NDArray[np.float32]) -> bool:
    """Whether all values are finite, looked at in pieces: a mask for a million records would take half a gigabyte."""
    return all(bool(np.isfinite(values[start : start + 8192]).all()) for start in range(0, len(values), 8192))


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
    """

    table: pd.DataFrame
    variables: tuple[ClinicalVariable, ...]
    outcome: str = "positive class"
    synthetic: bool = False
    unread: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        columns = {"record_id", "patient_id", "label", "class_name", "ecg", "split", *(v.name for v in self.variables)}
        missing = sorted(columns - set(self.table.columns))
        _require(not missing, f"cohort table lacks {missing}")
        _require(bool(self.table["record_id"].is_unique), "record ids of a cohort are unique")
        _require(self.unread is None or len(self.unread) == len(self.table), "unread columns have the table's rows")

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
        _require(len(self.part) == len(self.groups.index), "a split has a part and a group for each record")
        _require(set(self.part) <= {*PARTS, EXCLUDED}, f"parts are {PARTS} or {EXCLUDED!r}")

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
        _require(self.values.ndim == 2, "clinical values are a matrix [records, variables]")
        _require(
            self.values.shape[1] == len(self.variables) == len(self.provenance),
            "a variable and a provenance for each column",
        )


@dataclass(frozen=True)
class ImageEmbeddings:
    """What the encoder made of the pages.

    Args:
        values: [records, 512] float32, NaN throughout where a record has no page.
        fingerprint: Of the encoder: weights, preprocessing, view, engine, precision.
    """

    values: NDArray[np.float32]
    fingerprint: str

    def __post_init__(self) -> None:
        _require(
            self.values.ndim == 2 and self.values.dtype == np.float32, "embeddings are a float32 matrix [records, 512]"
        )
        absent = np.isnan(self.values).all(1)
        _require(
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
        _require(self.values.ndim == 2 and self.values.shape[1] == len(self.names), "a name for each feature")
        _require(_finite(self.values), "node features are finite")
        _require(self.present.shape == (len(self.values), len(self.blocks)), "presence is [records, blocks]")


@dataclass(frozen=True)
class Lists:
    """Inverted lists: each reference record stands in the list of its nearest centroid, and a query looks into a few lists.

    Args:
        centroids: [lists, coordinates] float32.
        rows: [reference] int64 rows of the reference, list after list, ascending in each.
        starts: [lists + 1] int64, where each list begins in ``rows``.
        probes: Lists that a query looks into.
        recall: Share of the true neighbours that were found, on a sample of reference records.
        sampled: Records in that sample.
        raised: Whether more lists had to be looked into than at first, for the sake of recall.
        centre: [coordinates] float64 where the axes meet.
        axes: [coordinates, axes] float64, orthonormal; none where records have no few axes that tell them apart.
        lowered: [reference, axes + 1] float32 records on these axes, in the order of ``rows``: bounds below distances.
    """

    centroids: NDArray[np.float32]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    probes: int
    recall: float
    sampled: int
    raised: bool
    centre: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    axes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    lowered: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self) -> None:
        _require(len(self.lowered) in (0, len(self.rows)), "each reference record is lowered, or none is")
        _require(len(self.starts) == len(self.centroids) + 1, "each list has a centroid and a start")
        _require(int(self.starts[-1]) == len(self.rows), "each reference record stands in a list")
        _require(1 <= self.probes <= len(self.centroids), "a query looks into at least one list, at most into all")

    def members(self, number: int) -> NDArray[np.int64]:
        """Rows of the reference records in a list."""
        return self.rows[self.starts[number] : self.starts[number + 1]]

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """[lists] squared length of each centroid."""
        lengths: NDArray[np.float64] = (self.centroids.astype(np.float64) ** 2).sum(1)
        return lengths

    @cached_property
    def longest_lowered(self) -> float:
        """Largest squared length of a lowered record."""
        pieces = (self.lowered[start : start + 65536] for start in range(0, len(self.lowered), 65536))
        return max((float(np.einsum("ij,ij->i", piece, piece).max()) for piece in pieces), default=0.0)

    @property
    def sentence(self) -> str:
        """How neighbours were found, in words."""
        effort = " (raised until recall was high enough)" if self.raised else ""
        return (
            f"neighbours were found by inverted lists, {self.probes:,} of {len(self.centroids):,} looked into{effort}; "
            f"recall {self.recall:.4f} on {self.sampled:,} sampled records"
        )


@dataclass(frozen=True)
class Places:
    """Where records lie for the search of neighbours.

    Args:
        values: [records, coordinates] float32, finite; 0 in a block that a record lacks.
        present: [records, blocks] whether the record has a block.
        blocks: Column range of each block.
        scales: Median distance of training records in each block, which makes blocks comparable where one is absent.
        lists: Of reference records, for an approximate search; None where the search is exact.
    """

    values: NDArray[np.float32]
    present: NDArray[np.bool_]
    blocks: tuple[tuple[int, int], ...]
    scales: tuple[float, ...]
    lists: Lists | None = None

    def __post_init__(self) -> None:
        _require(self.present.shape == (len(self.values), len(self.blocks)), "presence is [records, blocks]")
        _require(len(self.scales) == len(self.blocks), "a scale for each block")

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def complete(self) -> bool:
        """Whether every record has every block."""
        return bool(self.present.all())

    @cached_property
    def longest(self) -> float:
        """Largest squared length of a record's coordinates."""
        pieces = (self.values[start : start + 8192].astype(np.float64) for start in range(0, len(self), 8192))
        return max((float(np.einsum("ij,ij->i", piece, piece).max()) for piece in pieces), default=0.0)

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Places:
        """The places of some records, without lists."""
        return Places(self.values[rows], self.present[rows], self.blocks, self.scales)


@dataclass(frozen=True)
class Neighbourhood:
    """The nearest reference records of some records (edges neighbour -> record).

    Args:
        index: [records, k] int64 rows of the reference, nearest first; -1 pads where fewer exist.
        distance: [records, k] float32, ascending; infinity where ``index`` is -1.
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float32]

    def __post_init__(self) -> None:
        _require(
            self.index.shape == self.distance.shape and self.index.ndim == 2, "indices and distances are [records, k]"
        )

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def stacked(cls, hoods: Sequence[Neighbourhood]) -> Neighbourhood:
        """The rows of several, as wide as the widest."""
        width = max(hood.index.shape[1] for hood in hoods)
        pads = [((0, 0), (0, width - hood.index.shape[1])) for hood in hoods]
        index = [np.pad(hood.index, pad, constant_values=-1) for hood, pad in zip(hoods, pads, strict=True)]
        distance = [np.pad(hood.distance, pad, constant_values=np.inf) for hood, pad in zip(hoods, pads, strict=True)]
        return cls(np.vstack(index), np.vstack(distance))


@dataclass(frozen=True)
class PatientGraph:
    """Reference records and who hears whom among them.

    Args:
        rows: [reference] row of each reference record in the cohort.
        neighbours: Of each reference record, among the reference, outside its own group.
        lists: By which they were found, and queries find theirs; None where the search is exact.
    """

    rows: NDArray[np.int64]
    neighbours: Neighbourhood
    lists: Lists | None = None

    def __post_init__(self) -> None:
        _require(len(self.rows) == len(self.neighbours), "a neighbourhood for each reference record")
        _require(bool((self.neighbours.index < len(self.rows)).all()), "neighbours are reference records")


@dataclass(frozen=True)
class Neighbour:
    """A reference record that a prediction leans on.

    Args:
        record_id: Its name.
        distance: In the fused space.
        label: 0, 1 or -1 (unlabelled).
        clinical: Its clinical values in their units; None where missing.
    """

    record_id: str
    distance: float
    label: int
    clinical: dict[str, float | None]


DECISIONS = {
    "can't tell": "can't tell: both answers are possible",
    "unlike both": "unlike both: neither answer fits what validation records were like",
    "void": "void: the run was extended and not renewed",
    "too few": "none: too few validation records to say how sure this is",
}
"""Decisions that say more in words; ``positive`` and ``negative`` speak for themselves."""

ROW = ("probability", "low", "high", "positive", "threshold", "decision", "novelty")
"""What of a prediction is one cell in a table of answers."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one patient.

    Args:
        probability: Of the outcome, 0..1.
        positive: Whether ``probability >= threshold``; None where the threshold is void.
        threshold: Chosen on validation rows; None where it is void: of an extended run that was not renewed.
        outcome: What label 1 means.
        neighbours: The similar reference records, nearest first.
        provenance: What the score rests on, in words.
        warnings: What the reader should know: values outside the training range, missing values, known page.
        missing: Blocks that the patient does not have: ``image``, ``clinical``.
        low: Lower end of the Venn-Abers interval of the probability; None with too few validation records.
        high: Upper end.
        decision: By the conformal set: ``positive``, ``negative``, ``can't tell``, ``unlike both``, ``too few``
            (validation records of a class), or ``void`` with the threshold.
        novelty: Share of training records that lie nearer to their neighbours than this patient; None where not judged.
    """

    probability: float
    positive: bool | None
    threshold: float | None
    outcome: str
    neighbours: tuple[Neighbour, ...]
    provenance: str
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    decision: str = "too few"
    novelty: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        from dataclasses import asdict

        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The prediction that :meth:`as_dict` told, as it comes back from JSON.

        Raises:
            ValueError: A part is missing, or of another type.
        """
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(dict(content))

    def as_row(self) -> dict[str, Any]:
        """The cells of a table of answers; several of a kind are joined by semicolons."""
        row = {name: getattr(self, name) for name in ROW}
        lists = {"missing": self.missing, "neighbours": [each.record_id for each in self.neighbours]}
        return {**row, **{name: "; ".join(each) for name, each in {**lists, "warnings": self.warnings}.items()}}
