"""Numbers held against the limits of their variables, a whole table at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, cast

from cardiograph.schema import ClinicalVariable

if TYPE_CHECKING:
    import pandas as pd

Breach = Literal["out_of_range", "not_whole"]


def breaches(values: pd.DataFrame, variables: Sequence[ClinicalVariable]) -> Iterator[tuple[int, str, Breach]]:
    """Every value outside its variable's limits.

    Args:
        values: [records, variables] float64 columns in the variables' units, NaN where missing, index 0..n-1.
        variables: One for each column.

    Yields:
        Row, variable name, and what the value breaks; a value that breaks both rules is named once, as out of range.
    """
    import pandera.pandas as pandera

    columns = {}
    for variable in variables:
        checks = [pandera.Check.in_range(variable.low, variable.high, error="out_of_range")]
        if variable.whole:
            checks.append(pandera.Check(lambda column: column % 1 == 0, ignore_na=True, error="not_whole"))
        columns[variable.name] = pandera.Column(float, checks, nullable=True)
    try:
        pandera.DataFrameSchema(columns).validate(values, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases.sort_values("check", key=lambda check: check != "out_of_range", kind="stable")
        cases = cases.drop_duplicates(["index", "column"])
        for row, name, breach in zip(cases["index"], cases["column"], cases["check"], strict=True):
            yield int(row), str(name), cast(Breach, breach)
