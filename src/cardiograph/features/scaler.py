"""Clinical values made comparable: transform, median imputation, standardisation, all learnt from training rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ClinicalTable
from cardiograph.errors import CohortError
from cardiograph.schema import ClinicalVariable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClinicalScaler:
    """What the training rows taught about the clinical variables.

    A value goes through ``log`` where its variable says so, then a missing one becomes the median, then mean and
    standard deviation are removed. Each variable with gaps in the training rows has an indicator (1: missing) behind
    the variables. Indicators are centred, but keep their unit: standardised, a gap of one record in twenty would lie
    further from the rest than any value, and patients would be called similar for what was not measured.

    Args:
        variables: In the order of the columns.
        medians: [variables] of the present training values, after the transform.
        means: [variables + indicators] after transform and imputation.
        stds: [variables + indicators] population standard deviations; 1 for indicators and where a column does not vary.
        has_gaps: [variables] whether a training row lacks the value.
        constant: [variables + indicators] whether the training rows hold a single value: nothing was learnt about any
            other, so the column is 0 for every record.
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
        """Learn from the given rows and no other.

        Args:
            table: Values in their units, NaN where missing.
            rows: Training rows.

        Raises:
            CohortError: A variable has no value in these rows, or one that its transform does not allow.
        """
        values = table.values[rows]
        values = values[~_nothing(values)]
        present = np.count_nonzero(~np.isnan(values), axis=0)
        has_gaps: NDArray[np.bool_] = present < len(values)
        for variable, count in zip(table.variables, present, strict=True):
            if count == 0:
                message = (
                    f"clinical variable {variable.name!r} has no value in the {len(rows)} training rows, so nothing can "
                    "be learnt about it; remove the column"
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
        """Of the columns: ``ef``, ``bnp``, ..., then ``bnp_missing`` for each variable with gaps."""
        names = [variable.name for variable in self.variables]
        return (*names, *(f"{name}_missing" for name, gaps in zip(names, self.has_gaps, strict=True) if gaps))

    def transform(self, values: Floats) -> Floats:
        """Standardise values of any rows.

        Args:
            values: [records, variables] in the variables' units, NaN where missing.

        Returns:
            [records, variables + indicators] finite; NaN throughout for a record without any value, which has no clinical
            block.

        Raises:
            ValueError: A value is infinite, or not above 0 where a log is taken.
        """
        scaled = self._scaled(values)
        scaled[_nothing(values)] = np.nan
        return scaled

    @property
    def not_given(self) -> Floats:
        """[variables + indicators] medians and raised indicators throughout: each value missing as a single one would be.

        A record without any value has no clinical block instead; this is where explanations begin.
        """
        found: Floats = self._scaled(np.full((1, len(self.variables)), np.nan))[0]
        return found

    def _scaled(self, values: Floats) -> Floats:
        block = _block(_transform(values, self.variables), self.medians, self.has_gaps)
        return np.where(self.constant, 0.0, (block - self.means) / self.stds)

    def outside(self, values: Floats) -> tuple[str, ...]:
        """A sentence for each value of one record that lies outside what the training rows held.

        Args:
            values: [variables] in the variables' units, NaN where missing.
        """
        return tuple(self._outside(values))

    def missing(self, values: Floats) -> tuple[str, ...]:
        """Names of the variables that one record lacks.

        Args:
            values: [variables] NaN where missing.
        """
        return tuple(v.name for v, absent in zip(self.variables, np.isnan(values), strict=True) if absent)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and texts, ready for JSON; nothing is rounded."""
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
        for variable, value, low, high in zip(self.variables, values, self.low, self.high, strict=True):
            if value < low or value > high:
                unit = f" {variable.unit}" if variable.unit else ""
                word = f" {variable.unit_of(value)}" if variable.categories else unit
                yield f"{variable.name} is {value:g}{word}; training records had {low:g}-{high:g}{unit}"


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
            message = f"{variable.name} holds {present.min():g} to {present.max():g}; allowed {variable.allowed}"
            raise ValueError(message)
        if variable.transform == "log":
            result[:, column] = np.log(result[:, column])
    return result


def _nothing(values: Floats) -> NDArray[np.bool_]:
    """[records] whether a record lacks every value."""
    nothing: NDArray[np.bool_] = np.isnan(values).all(1) & (values.shape[1] > 0)
    return nothing


def _block(transformed: Floats, medians: Floats, has_gaps: NDArray[np.bool_]) -> Floats:
    """[records, variables + indicators] imputed values, then 1 where a value of a variable with gaps is missing."""
    gaps = np.isnan(transformed)
    return np.concatenate([np.where(gaps, medians, transformed), gaps[:, has_gaps]], axis=1)
