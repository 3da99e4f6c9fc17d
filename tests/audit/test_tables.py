"""The clinical table: constant columns, repeated rows and remarks of the reader."""

import numpy as np

from cardiograph.audit.tables import check_table
from cardiograph.containers import Groups

FIVE = ("ef", "bnp", "nyha", "sbp", "age")


def found(audited):
    return {finding.code: finding for finding in check_table(audited)}


def measured(rng, count):
    return np.stack(
        [
            rng.uniform(0.2, 0.7, count),
            rng.lognormal(5, 1, count),
            rng.integers(1, 5, count),
            rng.normal(120, 15, count),
            rng.normal(65, 10, count),
        ],
        axis=1,
    )


def test_a_column_that_does_not_vary(audited, rng):
    values = measured(rng, 30)
    values[:, 2] = 3
    assert found(audited(np.arange(30) % 2, values=values))["constant_column"].column == "nyha"
    values[:, 2] = np.nan
    assert "never given" in found(audited(np.arange(30) % 2, values=values))["constant_column"].text


def test_rows_that_repeat_another_patient(audited, rng):
    values = measured(rng, 40)
    values[30:35] = values[:5] * (1 + 1e-5)
    findings = found(audited(np.arange(40) % 2, values=values))["near_copies_of_rows"]
    assert findings.rows == tuple(f"r{row}" for row in (*range(5), *range(30, 35)))
    same = Groups(np.array([*range(30), *range(5), *range(35, 40)]))
    assert not found(audited(np.arange(40) % 2, values=values, groups=same))


def test_rows_that_agree_by_chance_are_left_alone(audited, rng):
    coarse = np.stack([rng.integers(1, 5, 300), 10 * rng.integers(9, 15, 300), 10 * rng.integers(5, 8, 300)], axis=1)
    assert not found(audited(np.arange(300) % 2, values=coarse, names=("nyha", "sbp", "age")))


def test_remarks_of_the_reader(audited):
    whole = audited([0, 1])
    whole.cohort.table.attrs["notes"] = [
        "sbp is 99 in 5 rows, which is within its limits; if it means 'not measured': --missing sbp=99",
        "column 'x' is not read",
    ]
    whole.cohort.table.attrs["conversions"] = [{"variable": "ef", "column": "LVEF", "unit": "percent", "factor": 0.01}]
    findings = found(whole)
    assert {code: finding.severity for code, finding in findings.items()} == {
        "sentinel_values": "warn",
        "table_note": "note",
        "unit_converted": "note",
    }
    assert "'LVEF' in percent, times 0.01" in findings["unit_converted"].text
