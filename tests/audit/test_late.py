"""Columns known only after the outcome are found by name and by behaviour, and others are not reported."""

import numpy as np
import pytest

from cardiograph.audit.late import check_late
from cardiograph.config import load_config
from cardiograph.run.audit import audit_cohort

LABELS = np.arange(60) % 2


def late(audited):
    return {finding.column: finding for finding in check_late(audited)}


@pytest.mark.parametrize(
    "name",
    ["time", "Time", "time_days", "follow_up", "FollowUpDays", "followup", "days_to_death", "TimeToEvent", "died",
     "death_date", "DEATH_EVENT", "survival_months", "Discharge status", "30_day_mortality", "readmitted", "outcome"],
)  # fmt: skip
def test_late_by_name(audited, name):
    assert set(late(audited(LABELS, unread={name: ["x"] * 60}))) == {name}


@pytest.mark.parametrize(
    "name",
    [
        "age",
        "sex",
        "family_history_of_death",
        "previous_event",
        "prothrombin_time",
        "acquisition_time",
        "ef",
        "timestamp",
        "creatinine",
        "mortality_risk",
        "sodium",
        "deadline_free",
        "smoking",
        "birthday",
    ],
)
def test_not_late_by_name(audited, name):
    assert not late(audited(LABELS, unread={name: ["x"] * 60}))


def test_filled_for_one_label_only(audited):
    cells = [f"{row}" if label else "" for row, label in enumerate(LABELS)]
    assert "30 of 30 records of label 1" in late(audited(LABELS, unread={"note": cells}))["note"].text
    cells[0] = "7"
    assert not late(audited(LABELS, unread={"note": cells}))


def test_a_date_after_the_ecg(audited):
    columns = {"acquired_at": ["2024-03-01"] * 60}
    later = audited(LABELS, columns=columns, unread={"seen": ["2024-09-30"] * 60, "born": ["1950-01-01"] * 60})
    assert set(late(later)) == {"seen"}


def test_a_length_of_time_that_ends_early_for_label_1(audited, rng):
    days = [str(value) for value in rng.integers(1, 100, 60) + 90 * (1 - LABELS)]
    assert "shorter for label 1" in late(audited(LABELS, unread={"obs_days": days}))["obs_days"].text
    assert not late(audited(LABELS, unread={"obs_days": list(rng.permutation(days))}))
    assert not late(audited(LABELS, unread={"ef_percent": days}))


def test_the_label_under_another_name(audited):
    cells = ["yes" if label else "no" for label in LABELS]
    assert "label under other names" in late(audited(LABELS, unread={"hf": cells}))["hf"].text
    assert not late(audited(LABELS, unread={"hf": ["no", *cells[1:-1], "no"]}))


def test_a_column_that_is_read_blocks(audited, rng):
    values = rng.normal(70, 5, 60)
    values[LABELS == 0] = np.nan
    (finding,) = check_late(audited(LABELS, values=values, names=("age",)))
    assert (finding.severity, finding.column) == ("block", "age")
    (unread,) = check_late(audited(LABELS, unread={"age": ["" if np.isnan(v) else v for v in values]}))
    assert unread.severity == "warn"


def test_time_in_the_heart_failure_table_is_late_and_nothing_else(shared):
    from pathlib import Path

    table = next((shared / "data" / "uci-heart-failure").glob("*.csv"))
    audit = audit_cohort(table, load_config(Path(__file__).parents[2] / "configs" / "uci.toml"))
    found = [finding for finding in audit.findings if finding.code == "late_column"]
    assert [(finding.column, finding.severity) for finding in found] == [("Time", "warn")]
    assert "median 44.5 against 172; AUROC 0.84" in found[0].text

    reads_it = load_config(
        Path(__file__).parents[2] / "configs" / "uci.toml",
        {"cohort": {"map": {"label": "Death_Event", "age": "Age", "followup": "Time"}, "convert": {},
                    "variables": [{"name": "followup", "low": 0, "high": 400}]}},
    )  # fmt: skip
    assert [finding.column for finding in audit_cohort(table, reads_it).blocks] == ["followup"]
