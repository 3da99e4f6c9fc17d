"""The how-to documents every unit, limit and column that the code knows."""

from pathlib import Path

import pytest

from cardiograph.cohort.columns import FIXED
from cardiograph.config_reading import CohortConfig
from cardiograph.schema import KNOWN, KNOWN_VARIABLES

TEXT = (Path(__file__).parents[2] / "docs/how-to/cohort-table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", [f"{each.variable.name}={unit.name}" for each in KNOWN for unit in each.units])
def test_every_unit_is_documented(setting):
    assert setting in TEXT


@pytest.mark.parametrize("name", [*FIXED, *(variable.name for variable in KNOWN_VARIABLES)])
def test_every_column_is_documented(name):
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("key", sorted(set(CohortConfig.model_fields) - {"variables", "max_rows"}))
def test_every_option_is_documented(key):
    assert f"--{key.replace('_', '-')} " in TEXT


def test_the_limit_of_rows_is_documented():
    assert f"cohort.max_rows={CohortConfig().max_rows}" in TEXT


def test_the_example_table_is_a_cohort(read):
    example = TEXT.split("```csv\n")[1].split("```")[0]
    assert read(example).labels.tolist() == [1, 1, 0, -1]
