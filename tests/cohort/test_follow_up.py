"""Time and event of a table: read, checked with named faults, and never a predictor."""

import numpy as np
import pytest

from cardiograph.audit import checks
from cardiograph.audit.late import check_late
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import load_config
from cardiograph.config_outcome import OutcomeConfig
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import CohortError, ConfigError
from cardiograph.run.audit import audit_cohort

SURVIVAL = OutcomeConfig(kind="survival")


@pytest.fixture
def read(tmp_path):
    """Reads a table with columns time and event, and a value that a model may read."""

    def reading(rows, outcome=SURVIVAL, header="time,event", **settings):
        lines = [f"record_id,ef,{header}", *(f"r{number},0.{30 + number},{row}" for number, row in enumerate(rows))]
        path = tmp_path / "cohort.csv"
        path.write_text("\n".join(lines))
        return read_cohort(path, CohortConfig(**settings), outcome=outcome)

    return reading


def test_labels_say_whether_the_event_was_seen(read):
    cohort = read(["10,1", "20,0", "30.5,2", ","])
    assert cohort.labels.tolist() == [1, 0, 0, -1]
    assert cohort.table["event"].tolist() == [1, 0, 2, -1]
    assert cohort.table["time"].tolist()[:3] == [10, 20, 30.5]
    assert np.isnan(cohort.table["time"][3])
    assert cohort.table["class_name"].tolist() == ["event", "censored", "competing 2", ""]
    assert [variable.name for variable in cohort.variables] == ["ef"]
    assert cohort.unread is None


@pytest.mark.parametrize(
    ("row", "code", "column", "value"),
    [
        ("-3,0", "bad_time", "time", "-3"),
        ("0,1", "bad_time", "time", "0"),
        ("soon,1", "bad_time", "time", "soon"),
        ("inf,0", "bad_time", "time", "inf"),
        ("1234567890123,0", "bad_time", "time", "1234567890123"),
        ("54789,0", "bad_time", "time", "54789"),
        (",1", "event_without_time", "time", "empty, and event is 1"),
        ("12,", "time_without_event", "event", "empty, but time is given"),
        ("12,dead", "bad_event", "event", "dead"),
        ("12,10", "bad_event", "event", "10"),
    ],
)
def test_each_fault_names_row_column_and_value(read, row, code, column, value):
    with pytest.raises(CohortError) as raised:
        read(["10,1", "20,0", row])
    (issue,) = raised.value.issues
    assert (issue.code, issue.column, issue.value) == (code, column, value)
    assert issue.where == "row 4 (record 'r2')"


@pytest.mark.parametrize(
    ("rows", "code"), [(["5,1", "6,1"], "one_class"), (["5,0", "6,2"], "no_events"), ([",", ","], "no_labels")]
)
def test_one_kind_of_end_alone_is_a_fault(read, rows, code):
    with pytest.raises(CohortError) as raised:
        read(rows)
    assert [issue.code for issue in raised.value.issues] == [code]


def test_columns_and_values_have_other_names(read):
    outcome = OutcomeConfig(
        time="weeks", event="end", event_values=("died",), censored_values=("alive",), competing_values=("transplant",)
    )
    cohort = read(["1,died", "2,alive", "3,transplant"], outcome, header="weeks,end")
    assert cohort.table["event"].tolist() == [1, 0, 2]
    with pytest.raises(CohortError) as raised:
        read(["-1,died", "2,gone"], outcome, header="weeks,end")
    assert [issue.column for issue in raised.value.issues] == ["weeks", "end"]
    assert "at most 54,788 days" in raised.value.issues[0].rule
    with pytest.raises(CohortError) as raised:
        read(["1,died", "2,alive"], OutcomeConfig(time="days", event="end"), header="weeks,end")
    assert "map_missing_column" in [issue.code for issue in raised.value.issues]


def test_naming_the_time_makes_the_outcome_survival():
    outcome = load_config(None, {"outcome": {"time": "days"}}).outcome
    assert (outcome.kind, outcome.event, outcome.unit, outcome.competing_values[0]) == (
        "survival",
        "event",
        "days",
        "2",
    )
    assert load_config(None, {"outcome": outcome.model_dump()}).outcome == outcome


def test_other_kinds_keep_their_configuration():
    assert load_config(None, {}).outcome.model_dump() == {"name": "positive class", "kind": "auto"}
    assert "horizons" not in load_config(None, {}).to_toml()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"outcome": {"time": "t", "kind": "binary"}}, "belongs to kind = 'survival'"),
        ({"outcome": {"horizons": [365]}}, "name the column with the time"),
        ({"outcome": {"time": "t", "horizons": [2, 1]}}, "increasing times"),
        ({"outcome": {"time": "t"}, "cohort": {"positive": ["a"]}}, "remove one of the two"),
        ({"outcome": {"time": "t"}, "cohort": {"map": {"age": "t"}}}, "cannot be read as 'age'"),
        (
            {"outcome": {"time": "t"}, "cohort": {"variables": [{"name": "t", "low": 0, "high": 9}]}},
            "no model may read it",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        load_config(None, settings)


def test_the_audit_blocks_a_copy_of_the_time(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "CHECKS", (check_late,))
    rng = np.random.default_rng(0)
    time, event = rng.integers(1, 900, 60), np.arange(60) % 2
    lines = [f"{t / 7:.4f},{rng.uniform(0.2, 0.6):.2f},{t},{e}" for t, e in zip(time, event, strict=True)]
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(["visits,ef,time,event", *lines]))
    variables = [{"name": "visits", "low": 0, "high": 1000}]
    found = audit_cohort(path, load_config(None, {"outcome": {"time": "time"}, "cohort": {"variables": variables}}))
    late = {finding.column: finding for finding in found.findings if finding.code == "late_column"}
    assert set(late) == {"visits"}
    assert late["visits"].severity == "block"
    assert "the time to the event" in late["visits"].text
