"""The values that are compared: inputs, novelty and scores of the run's held-out records, and of recent ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.embedding_axes import EMBEDDINGS_FILE, EmbeddingAxes
from cardiograph.artifacts.run import RunDirectory
from cardiograph.errors import RunError
from cardiograph.evaluate.bootstrap import first_of_each
from cardiograph.inference import Predictor
from cardiograph.monitor.drift import Comparison, compare_categories, compare_numbers

PROBABILITY, DISTANCE = "probability", "distance to the training records"
"""Names of continuous values of a score."""

MISSING = " is missing"
"""End of the names of flags of missing values and blocks."""

NOVEL = "unlike the training records"
"""Name of the flag of the novelty gate."""

NO_ECG = "the ECG is missing"
"""Name of the flag of records without an ECG."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Values of independent records: one for each group.

    Args:
        numbers: Name -> [records] continuous values, NaN where missing.
        categories: Name -> [records] whole numbers of few levels, NaN where missing.
    """

    numbers: Mapping[str, Floats]
    categories: Mapping[str, Floats]

    def of(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Sample:
        """Return some records."""
        numbers = {name: values[rows] for name, values in self.numbers.items()}
        return Sample(numbers, {name: values[rows] for name, values in self.categories.items()})

    def compare(self, recent: Sample, records: str) -> Iterator[Comparison]:
        """Yield a comparison of each value that both samples have, in enough records."""
        for names, mine, compare in (
            (self.numbers, recent.numbers, compare_numbers),
            (self.categories, recent.categories, compare_categories),
        ):
            for name in (each for each in names if each in mine):
                found = compare(name, records, names[name], mine[name])
                if found is not None:
                    yield found


def sample(blocks: Mapping[str, Floats], whole: set[str], scored: Mapping[str, Floats], axes: Floats | None) -> Sample:
    """Assemble a sample.

    Args:
        blocks: Name of each variable that the model reads -> [records] values.
        whole: Names of the variables with few whole values.
        scored: ``probability``, ``novelty`` and ``novel`` -> [records] values.
        axes: [records, components] coordinates of the embedding, NaN without an ECG; None for a model without ECGs.
    """
    numbers = {name: values for name, values in blocks.items() if name not in whole}
    categories = {name: values for name, values in blocks.items() if name in whole}
    categories |= {f"{name}{MISSING}": np.asarray(np.isnan(values), np.float64) for name, values in blocks.items()}
    if axes is not None:
        numbers |= {f"ECG embedding, component {number + 1}": axes[:, number] for number in range(axes.shape[1])}
        categories[NO_ECG] = np.asarray(np.isnan(axes).any(axis=1), np.float64)
    numbers |= {PROBABILITY: scored["probability"], DISTANCE: scored["novelty"]}
    categories[NOVEL] = scored["novel"]
    return Sample(numbers, categories)


def reference_sample(predictor: Predictor, directory: RunDirectory) -> tuple[Sample, EmbeddingAxes | None]:
    """Return the sample of the run's validation and test records, and the axes of its training embeddings.

    Raises:
        RunError: If the run has no such records.
    """
    table = directory.read_table("cohort.parquet")
    if not (directory.path / "predictions.parquet").is_file():
        message = (
            f"run {directory.path}: was extended, and keeps no scores of validation and test records to compare with; "
            "monitor the run that it extends"
        )
        raise RunError(message)
    held_out = directory.read_table("predictions.parquet")
    held_out = held_out.iloc[first_of_each(held_out["group"].to_numpy())]
    if held_out.empty:
        message = f"run {directory.path}: has no validation or test records to compare with; make the run again"
        raise RunError(message)
    places = {name: row for row, name in enumerate(table["record_id"])}
    rows = np.array([places[name] for name in held_out["record_id"]], np.int64)
    blocks = {name: table[name].to_numpy(np.float64)[rows] for name in predictor.reads}
    if predictor.bundle.measurement_scaler is not None:
        measured = directory.read_table("measurements.parquet")
        names = [variable.name for variable in predictor.bundle.measurement_scaler.variables]
        blocks |= {name: measured[name].to_numpy(np.float64)[rows] for name in names}
    axes: EmbeddingAxes | None = None
    coordinates: Floats | None = None
    if predictor.bundle.served.encoder is not None:
        axes = EmbeddingAxes.of_run(directory)
        coordinates = axes.coordinates(directory.read_arrays(EMBEDDINGS_FILE)["image"][rows])
    scored = {name: held_out[name].to_numpy(np.float64) for name in ("novelty", "novel")}
    scored["probability"] = held_out[f"probability_{predictor.bundle.served.model.name}"].to_numpy(np.float64)
    return sample(blocks, whole_variables(predictor), scored, coordinates), axes


def whole_variables(predictor: Predictor) -> set[str]:
    """Return the names of the clinical variables of at most ten whole values, which are compared as categories."""
    scaler = predictor.bundle.scaler
    variables = () if scaler is None else scaler.variables
    return {each.name for each in variables if each.whole and each.high - each.low < 10}
