"""Records of a cohort: table, groups, split, clinical values, embeddings, node features, and the normal form of ids."""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from cardiograph.schema import ClinicalVariable, Provenance

if TYPE_CHECKING:
    import pandas as pd


def require(condition: bool, message: str) -> None:
    """Raise a ``ValueError`` with ``message`` unless ``condition`` is true."""
    if not condition:
        raise ValueError(message)


TRAIN, VAL, TEST, EXCLUDED = "train", "val", "test", "excluded"
"""Parts of a split; an ``excluded`` record is an unlabelled one whose group is in ``val`` or ``test``."""

PARTS = (TRAIN, VAL, TEST)
"""Parts with labelled records."""

ADDED = "added"
"""Part of records that became reference records after training; only the table of an extended run has it, no split."""

_CHUNK_ROWS = 8192

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
"""Ids that are their own normal form, for speed."""
_ALL_PLAIN = re.compile(r"[A-Za-z0-9_\n-]*")
_WHOLE = re.compile(r"(-?[0-9]+)[.,]0{1,2}")
_FORMULA = re.compile(r'="(.*)"')
_SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]{2,3}")
_SEPARATOR = re.compile(r"(?<=[^\W_])[\s_\u2010-\u2015\u2212-]+(?=[^\W_])")
_EXACT_WHOLE = 1e15


def _finite(values: NDArray[np.float32]) -> bool:
    """Return whether all values are finite, in chunks, because a mask for a million records takes half a gigabyte."""
    starts = range(0, len(values), _CHUNK_ROWS)
    return all(bool(np.isfinite(values[start : start + _CHUNK_ROWS]).all()) for start in starts)


@dataclass(frozen=True)
class Origin:
    """Position of a record in the input table.

    Args:
        place: Position for messages, such as ``row 12`` or ``row 12 (record 'p3')``.
        page: Path of the page as written; empty without a page.
        folder: Folder to which relative paths refer.
    """

    place: str
    page: str
    folder: Path


@dataclass(frozen=True)
class Cohort:
    """All records of a study.

    Args:
        table: One row per record (ECG of a patient), in the order of the input, index 0..n-1. Columns ``record_id``
            (str, unique), ``patient_id`` (str, or None if not given), ``label`` (int64 from 0; -1 unlabelled),
            ``class_name`` (str: the label as written by the user), ``ecg`` (str: absolute path, or None), ``split``
            (str or None), ``site`` and ``acquired_at`` if given, ``time`` (float64, NaN without follow-up) and
            ``event`` (int64: 0 censored, 1 the event, 2 and above competing events, -1 without follow-up) of a
            time-to-event outcome, whose label says whether the event was seen, and a float64 column per clinical variable
            (NaN: missing).
        variables: Clinical variables of the cohort, in the order of their columns in the node features.
        outcome: Name of label 1, or of what several classes describe.
        synthetic: Whether patients and labels come from :mod:`cardiograph.synthesis`.
        unread: Columns of the input that are not in ``table``, with cells as written; None if there are none. Only the
            audit uses them, never a model.
        origins: Record id -> position in the input table, for messages; empty for a folder of pages.
        classes: Names of labels 0, 1, 2, ... of an outcome with several classes; empty for a binary outcome.
    """

    table: pd.DataFrame
    variables: tuple[ClinicalVariable, ...]
    outcome: str = "positive class"
    synthetic: bool = False
    unread: pd.DataFrame | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns = {"record_id", "patient_id", "label", "class_name", "ecg", "split", *(v.name for v in self.variables)}
        missing = sorted(columns - set(self.table.columns))
        require(not missing, f"cohort table lacks {missing}")
        require(bool(self.table["record_id"].is_unique), "record ids of a cohort are unique")
        require(self.unread is None or len(self.unread) == len(self.table), "unread columns have the table's rows")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def class_count(self) -> int:
        """Number of different labels."""
        return len(self.classes) or 2

    @property
    def label_names(self) -> tuple[str, ...]:
        """Name of each label: the classes, whether the event was seen, or 0 and 1."""
        return self.classes or (("without the event", "with the event") if "time" in self.table else ("0", "1"))

    @property
    def labels(self) -> NDArray[np.int64]:
        """[records] 0, 1, ... or -1 (unlabelled)."""
        return self.table["label"].to_numpy(np.int64)

    @property
    def record_ids(self) -> NDArray[np.object_]:
        """[records] unique ids."""
        return self.table["record_id"].to_numpy(object)

    @property
    def has_pages(self) -> bool:
        """Whether any record has an ECG page."""
        return bool(self.table["ecg"].notna().any())

    def of(self, rows: NDArray[np.int64]) -> Cohort:
        """Return some records, in the given order."""
        table = self.table.iloc[rows].reset_index(drop=True)
        table.attrs = self.table.attrs
        unread = None if self.unread is None else self.unread.iloc[rows].reset_index(drop=True)
        return dataclasses.replace(self, table=table, unread=unread)


@dataclass(frozen=True)
class Groups:
    """Groups of related records; a split keeps each group in one part.

    Args:
        index: [records] int64 group number, 0..groups-1 in order of first appearance.
        links: Number of record pairs joined for each reason, such as ``{"patient": 40, "same pixels": 200, "near copy":
            12}``; only the links of the spanning forest count, not all pairs.
    """

    index: NDArray[np.int64]
    links: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.index.max()) + 1 if len(self.index) else 0


@dataclass(frozen=True)
class Split:
    """Assignment of records to training, validation and test.

    Args:
        part: [records] ``train``, ``val``, ``test`` or ``excluded``.
        groups: Groups of related records.
        source: ``drawn`` by this program or ``given`` in the table.
    """

    part: NDArray[np.str_]
    groups: Groups
    source: str

    def __post_init__(self) -> None:
        require(len(self.part) == len(self.groups.index), "a split has a part and a group for each record")
        require(set(self.part) <= {*PARTS, EXCLUDED}, f"parts are {PARTS} or {EXCLUDED!r}")

    def rows(self, part: str) -> NDArray[np.int64]:
        """Return the row numbers of ``part``, ascending."""
        return np.flatnonzero(self.part == part).astype(np.int64)


@dataclass(frozen=True)
class ClinicalTable:
    """Clinical values in their units, before scaling.

    Args:
        values: [records, variables] float64, NaN if missing.
        variables: Clinical variable of each column.
        provenance: Provenance of each column.
    """

    values: NDArray[np.float64]
    variables: tuple[ClinicalVariable, ...]
    provenance: tuple[Provenance, ...]

    def __post_init__(self) -> None:
        require(self.values.ndim == 2, "clinical values are a matrix [records, variables]")
        require(
            self.values.shape[1] == len(self.variables) == len(self.provenance),
            "each column has a variable and a provenance",
        )


@dataclass(frozen=True)
class ImageEmbeddings:
    """Embeddings of ECG pages.

    Args:
        values: [records, width] float32; all NaN for a record without a page.
        fingerprint: Fingerprint of the encoder: weights, preprocessing, view, engine and precision.
    """

    values: NDArray[np.float32]
    fingerprint: str

    def __post_init__(self) -> None:
        require(
            self.values.ndim == 2 and self.values.dtype == np.float32,
            "embeddings are a float32 matrix [records, width]",
        )
        absent = np.isnan(self.values).all(1)
        require(bool(np.isfinite(self.values[~absent]).all()), "embeddings are finite, or all NaN without a page")


@dataclass(frozen=True)
class NodeFeatures:
    """Fused features of records, the input of networks and neighbour search.

    Args:
        values: [records, features] float32, finite.
        names: Name of each feature (``image_17``, ``ef``, ``bnp_missing``).
        blocks: Column range of each block: ``{"image": (0, 512), "clinical": (512, 517)}``.
        present: [records, blocks] whether the record has each block, in the order of ``blocks``; absent blocks are 0.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    blocks: dict[str, tuple[int, int]]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        require(self.values.ndim == 2 and self.values.shape[1] == len(self.names), "each feature has a name")
        require(_finite(self.values), "node features are finite")
        require(self.present.shape == (len(self.values), len(self.blocks)), "presence is [records, blocks]")


def identifier(value: object) -> str:
    """Return the normal form of an id, in which ids are compared.

    Unicode is normalized (NFKC), so composed and decomposed letters, and full-width and plain digits, are the same.
    Invisible characters, surrounding spaces and the marks with which a spreadsheet keeps an id as text (a leading
    apostrophe, ``="007"``) are removed. A whole number is written without decimals: ``5.0`` becomes ``5``. Case and
    leading zeros are kept, because they can distinguish two patients.

    Args:
        value: Text or number; None, NaN and blank text mean that there is no id.

    Returns:
        The normal form; empty if there is no id.
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = unicodedata.normalize("NFKC", str(value))
    text = " ".join("".join(mark for mark in text if unicodedata.category(mark) != "Cf").split())
    if formula := _FORMULA.fullmatch(text):
        text = formula.group(1).strip()
    text = text.removeprefix("'").strip()
    whole = _WHOLE.fullmatch(text)
    return whole.group(1) if whole else text


def identifiers(values: Sequence[object]) -> list[str]:
    """Return the normal form of each id, see :func:`identifier`."""
    return cast("list[str]", list(values)) if all_plain(values) else [identifier(value) for value in values]


def all_plain(values: Sequence[object]) -> bool:
    """Return whether all ids are texts, empty or of letters, digits, ``-`` and ``_`` alone: their own normal forms."""
    try:
        joined = "\n".join(cast("Sequence[str]", values))
    except TypeError:
        return False
    return bool(_ALL_PLAIN.fullmatch(joined)) and joined.count("\n") == max(len(values) - 1, 0)


def is_shortened(value: object) -> bool:
    """Return whether a spreadsheet has removed digits of an id, so that several patients can have the same id.

    Args:
        value: Text or number; ``1.2345E+11`` and floats with more than 15 digits are shortened.
    """
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) >= _EXACT_WHOLE
    return bool(_SHORTENED.fullmatch(identifier(value)))


def class_key(name: str) -> str:
    """Return the normal form of a class name, without differences in case, Unicode form and separators."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = "".join(mark for mark in folded if unicodedata.category(mark) != "Cf")
    return _SEPARATOR.sub("", visible.strip())
