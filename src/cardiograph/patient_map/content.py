"""Content of the map: places, links and values of records, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAP_FILE = "patient_map.json"
"""File of a run folder that holds the map."""

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Column:
    """A value of each record, by which the map can be coloured.

    Args:
        title: Display name.
        values: [nodes] numbers, NaN where missing; or texts, empty where missing.
        unit: Unit of numbers.
        words: Category of the numbers 0, 1, ...; empty if the numbers are quantities.
    """

    title: str
    values: NDArray[np.float64] | Sequence[str]
    unit: str = ""
    words: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the column with None for missing values; texts become numbered categories."""
        values, words = self.values, list(self.words)
        if not isinstance(values, np.ndarray):
            words = sorted({text for text in values if text})
            number = {text: float(place) for place, text in enumerate(words)}
            values = np.array([number.get(text, np.nan) for text in values])
        plain = [_number(value) for value in values.tolist()]
        return {"title": self.title, "unit": self.unit, "words": words, "values": plain}


@dataclass(frozen=True)
class PatientMap:
    """Records of the patient graph on a map.

    Args:
        rows: [nodes] row of each node in the cohort.
        xy: [nodes, 2] coordinates within -1..1.
        part: [nodes] ``train`` (a reference record), ``val`` or ``test``.
        neighbours: [nodes, k] node numbers of the neighbours, nearest first; -1 for a neighbour that is not on the map.
        distances: [nodes, k] distances to them.
        records: Number of records that could be on the map; more than the nodes if a sample is shown.
    """

    rows: NDArray[np.int64]
    xy: NDArray[np.float64]
    part: NDArray[np.str_]
    neighbours: NDArray[np.int64]
    distances: NDArray[np.float64]
    records: int

    def plain(self, record_ids: Sequence[str], columns: Sequence[Column], facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the map as plain values.

        Args:
            record_ids: [nodes] names.
            columns: Values of the nodes; the map is coloured by the first one at first.
            facts: Further entries, such as ``metric``.
        """
        linked = [
            (index[index >= 0], away[index >= 0]) for index, away in zip(self.neighbours, self.distances, strict=True)
        ]
        return {
            "records": list(record_ids),
            "x": np.round(self.xy[:, 0], 4).tolist(),
            "y": np.round(self.xy[:, 1], 4).tolist(),
            "part": [PARTS.index(part) for part in self.part],
            "neighbours": [index.tolist() for index, _ in linked],
            "distances": [[float(f"{each:.4g}") for each in away] for _, away in linked],
            "columns": [column.plain() for column in columns],
            "of": self.records,
            **facts,
        }


THIS_PATIENT = "this patient"


def with_patient(
    content: Mapping[str, Any], neighbours: Sequence[tuple[str, float]], values: Mapping[str, float | None]
) -> dict[str, Any]:
    """Return a map with a new patient on it, chosen, at the mean place of its neighbours.

    Neighbours weigh in by the inverse of their distance; those that are not on the map are left out.

    Args:
        content: Result of :meth:`PatientMap.plain`.
        neighbours: Record and distance of each neighbour that the score used, nearest first.
        values: Title of a column -> value of the patient.
    """
    node = {name: place for place, name in enumerate(content["records"])}
    found = [(node[name], away) for name, away in neighbours if name in node]
    places = [place for place, _ in found]
    weight = 1 / (np.array([away for _, away in found]) + 1e-9)
    x, y = (
        float((np.array(content[axis])[places] * weight).sum() / weight.sum()) if places else 0.0 for axis in ("x", "y")
    )
    columns = [{**column, "values": [*column["values"], values.get(column["title"])]} for column in content["columns"]]
    return {
        **content,
        "records": [*content["records"], THIS_PATIENT],
        "x": [*content["x"], round(x, 4)],
        "y": [*content["y"], round(y, 4)],
        "part": [*content["part"], len(PARTS)],
        "neighbours": [*content["neighbours"], places],
        "distances": [*content["distances"], [float(f"{away:.4g}") for _, away in found]],
        "columns": columns,
        "chosen": THIS_PATIENT,
    }


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
