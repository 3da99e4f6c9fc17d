"""Scaling of clinical values: transform, median imputation and standardisation, fitted on training rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ClinicalTable
from cardiograph.errors import CohortError
from cardiograph.schema import ClinicalVariable

TRAINING_RANGE = "; training records had "
"""Part of the warning about a value outside the range of the training rows."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClinicalScaler:
    """Transform, imputation and standardisation of clinical variables, fitted on training rows.

    Values are transformed (``log`` if their variable says so), missing values are replaced by the median, and columns
    are standardised. Each variable with missing values in the training rows gets an indicator column (1: missing) after
    the variables. Indicators are centred but not divided by their standard deviation: otherwise a value that is missing
    in one record of twenty would outweigh every measured value, and patients would be similar because of what was not
    measured.

    Args:
        variables: Clinical variables, in the order of the columns.
        medians: [variables] medians of the present training values, after the transform.
        means: [variables + indicators] means after transform and imputation.
        stds: [variables + indicators] population standard deviations; 1 for indicators and constant columns.
        has_gaps: [variables] whether the value is missing in a training row.
        constant: [variables + indicators] whether the training rows have a single value; such a column is 0 for every
            record, because its effect is unknown.
        low: [variables] smallest training value, in the variable's unit.
        high: [variables] largest training value, in the variable's unit.
    """

    variables: tuple[ClinicalVariable, ...]
    medians: Floats
    means: Floats
    stds: Floats
    has_gaps: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    low: Floats
    high: Floats

    @classmethod
    def fit(cls, table: ClinicalTable, rows: NDArray[np.int64]) -> Self:
        """Fit a scaler on the given rows only.

        Args:
            table: Values in their units, NaN if missing.
            rows: Training rows.

        Raises:
            CohortError: If a variable has no value in these rows, or a value that its transform does not allow.
        """
        values = table.values[rows]
        values = values[~_all_missing(values)]
        present = np.count_nonzero(~np.isnan(values), axis=0)
        has_gaps: NDArray[np.bool_] = present < len(values)
        for variable, count in zip(table.variables, present, strict=True):
            if count == 0:
                message = (
                    f"clinical variable {variable.name!r} has no value in the {len(rows)} training rows, so a model "
                    "cannot use it; remove the column"
                )
                raise CohortError(message)
        try:
            transformed = _transform(values, table.variables)
        except ValueError as error:
            raise CohortError(str(error)) from error
        medians = np.nanmedian(transformed, axis=0)
        block = _block(transformed, medians, has_gaps)
        constant = block.max(axis=0) == block.min(axis=0)
        return cls(
            variables=table.variables,
            medians=medians,
            means=block.mean(axis=0),
            stds=np.where(constant | (np.arange(block.shape[1]) >= len(table.variables)), 1.0, block.std(axis=0)),
            has_gaps=has_gaps,
            constant=constant,
            low=np.nanmin(values, axis=0),
            high=np.nanmax(values, axis=0),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Column names: ``ef``, ``bnp``, ..., then an indicator such as ``bnp_missing`` for each variable with gaps."""
        names = [variable.name for variable in self.variables]
        return (*names, *(f"{name}_missing" for name, gaps in zip(names, self.has_gaps, strict=True) if gaps))

    def transform(self, values: Floats) -> Floats:
        """Transform, impute and standardise values.

        Args:
            values: [records, variables] in the variables' units, NaN if missing.

        Returns:
            [records, variables + indicators] finite values; all NaN for a record without values, which has no clinical
            block.

        Raises:
            ValueError: If a value is infinite, or not positive although its transform is ``log``.
        """
        scaled = self._scaled(values)
        scaled[_all_missing(values)] = np.nan
        return scaled

    @property
    def not_given(self) -> Floats:
        """[variables + indicators] scaled row in which every value is imputed and every indicator is set.

        Explanations start from this row. It differs from the row of a record without values, which has no clinical
        block.
        """
        found: Floats = self._scaled(np.full((1, len(self.variables)), np.nan))[0]
        return found

    def _scaled(self, values: Floats) -> Floats:
        block = _block(_transform(values, self.variables), self.medians, self.has_gaps)
        return np.where(self.constant, 0.0, (block - self.means) / self.stds)

    def outside(self, values: Floats) -> tuple[str, ...]:
        """Return a sentence for each value of one record outside the range of the training rows.

        Args:
            values: [variables] in the variables' units, NaN if missing.
        """
        return tuple(self._outside(values))

    def missing(self, values: Floats) -> tuple[str, ...]:
        """Return the names of the missing variables of one record.

        Args:
            values: [variables] in the variables' units, NaN if missing.
        """
        return tuple(self.variables[column].name for column in np.isnan(values).nonzero()[0].tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return the scaler as lists, numbers and strings, ready for JSON and without rounding."""
        return {
            "variables": [asdict(variable) for variable in self.variables],
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Rebuild a scaler from :meth:`to_dict`."""
        variables = tuple(ClinicalVariable(**variable) for variable in content["variables"])
        return cls(variables, **{name: np.array(content[name], dtype=kind) for name, kind in _ARRAYS.items()})

    def _outside(self, values: Floats) -> Iterator[str]:
        for column in ((values < self.low) | (values > self.high)).nonzero()[0].tolist():
            variable, value, low, high = self.variables[column], values[column], self.low[column], self.high[column]
            unit = f" {variable.unit}" if variable.unit else ""
            word = f" {variable.unit_of(value)}" if variable.categories else unit
            yield f"{variable.name} is {value:g}{word}{TRAINING_RANGE}{low:g}-{high:g}{unit}"


_ARRAYS: dict[str, type] = {
    "medians": np.float64,
    "means": np.float64,
    "stds": np.float64,
    "has_gaps": np.bool_,
    "constant": np.bool_,
    "low": np.float64,
    "high": np.float64,
}


def _transform(values: Floats, variables: tuple[ClinicalVariable, ...]) -> Floats:
    result = values.astype(np.float64, copy=True)
    for column, variable in enumerate(variables):
        present = result[~np.isnan(result[:, column]), column]
        if np.isinf(present).any() or (variable.transform == "log" and (present <= 0).any()):
            message = f"{variable.name} ranges from {present.min():g} to {present.max():g}; allowed {variable.allowed}"
            raise ValueError(message)
        if variable.transform == "log":
            result[:, column] = np.log(result[:, column])
    return result


def _all_missing(values: Floats) -> NDArray[np.bool_]:
    """Return [records] whether all values of a record are missing."""
    empty: NDArray[np.bool_] = np.isnan(values).all(1) & (values.shape[1] > 0)
    return empty


def _block(transformed: Floats, medians: Floats, has_gaps: NDArray[np.bool_]) -> Floats:
    """Return [records, variables + indicators] imputed values, followed by the indicators of missing values."""
    gaps = np.isnan(transformed)
    return np.concatenate([np.where(gaps, medians, transformed), gaps[:, has_gaps]], axis=1)
