"""The audit stage: which split is judged, what a run does with its findings, and that nothing is computed twice."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from cardiograph.config import load_config
from cardiograph.errors import AuditError, CohortError, ConfigError
from cardiograph.run import audit
from cardiograph.run.audit import audit_cohort
from cardiograph.run.pipeline import run


@pytest.fixture
def frame(cohort_table):
    """The synthetic cohort with absolute pages, as a table to change."""
    table = pd.read_csv(cohort_table, dtype={"label": "Int64"})
    table["ecg"] = [str(cohort_table.parent / page) for page in table["ecg"]]
    return table


def codes(audit, severity=None):
    return [finding.code for finding in audit.findings if severity in (None, finding.severity)]


def written(frame, folder, name="cohort.csv"):
    path = folder / name
    frame.to_csv(path, index=False)
    return path


def test_without_a_split_column_a_random_split_of_rows_is_judged(cohort_table):
    audit = audit_cohort(cohort_table)
    assert "random split of rows" in audit.split
    assert codes(audit, "block") == ["split_parts_groups"]  # one patient in eight has two records
    assert "random split of rows" in next(f.text for f in audit.findings if f.code == "split_parts_groups")
    assert audit.files == len(pd.read_csv(cohort_table))


def test_a_given_split_is_judged(frame, finished_run, tmp_path):
    drawn = pd.read_parquet(finished_run / "split.parquet").set_index("record_id")["part"]
    frame["split"] = drawn[frame["record_id"]].to_numpy()
    sound = audit_cohort(written(frame, tmp_path))
    assert sound.split == "given in the table"
    assert not sound.blocks

    both = frame[frame["patient_id"].duplicated(keep=False)]
    parted = both.index[0]
    frame.loc[parted, "split"] = "test" if frame["split"][parted] != "test" else "train"
    found = audit_cohort(written(frame, tmp_path))
    (block,) = found.blocks
    assert block.code == "split_parts_groups"
    assert set(block.rows) == set(frame["record_id"][frame["patient_id"] == frame["patient_id"][parted]])


def test_a_run_judges_its_own_split(finished_run):
    kept = json.loads((finished_run / "audit.json").read_text())
    assert kept["split"] == "drawn by this run"
    assert not [finding for finding in kept["findings"] if finding["severity"] == "block"]


def test_the_second_audit_is_read_from_the_cache(cohort_table, monkeypatch):
    first = audit_cohort(cohort_table)
    monkeypatch.setattr(audit, "run_checks", None)
    assert audit_cohort(cohort_table) == first


@pytest.mark.exhaustive
def test_whatever_changes_the_findings_is_looked_at_again(frame, tmp_path, monkeypatch):
    path = written(frame, tmp_path)
    audit_cohort(path)
    seen = []
    whole = audit.run_checks
    monkeypatch.setattr(audit, "run_checks", lambda audited: seen.append(audited) or whole(audited))
    audit_cohort(path)
    assert not seen
    for changed in (frame.assign(death_day=3), frame.assign(age=frame["age"] + 1), frame.iloc[1:]):
        audit_cohort(written(changed, tmp_path))
    audit_cohort(path, load_config(None, {"cohort": {"label_definition": ["ef"]}}))
    assert len(seen) == 4


def test_columns_that_nothing_reads_are_audited(frame, tmp_path):
    frame["days_to_death"] = [5.0 if label else None for label in frame["label"]]
    late = [f for f in audit_cohort(written(frame, tmp_path)).findings if f.code == "late_column"]
    assert [(finding.column, finding.severity) for finding in late] == [("days_to_death", "warn")]


def test_a_late_column_that_is_read_stops_a_run_before_anything_is_learnt(frame, tmp_path):
    frame["followup_days"] = [5 if label else 100 for label in frame["label"]]
    settings = {
        "encoder": {"weights": "random"},
        "cohort": {"modality": "clinical", "variables": [{"name": "followup_days", "low": 0, "high": 1000}]},
    }
    with pytest.raises(AuditError) as caught:
        run(written(frame, tmp_path), tmp_path / "run", load_config(None, settings))
    assert {issue.code for issue in caught.value.issues} == {"late_column"}
    assert "--accept late_column" in str(caught.value)
    assert caught.value.exit_code == 1
    assert not list((tmp_path / "run").glob("*.json"))


def test_a_column_that_defines_the_label_stops_a_run(frame, tmp_path):
    settings = {"encoder": {"weights": "random"}, "cohort": {"modality": "clinical", "label_definition": ["ef"]}}
    with pytest.raises(AuditError, match="defines_label"):
        run(written(frame, tmp_path), tmp_path / "run", load_config(None, settings))


def test_faults_of_the_table_are_findings(frame, tmp_path):
    frame.loc[[1, 4], "sbp"] = 1480
    audit = audit_cohort(written(frame, tmp_path))
    (fault,) = audit.blocks
    assert (fault.code, fault.column, len(fault.rows)) == ("out_of_range", "sbp", 2)
    assert "50-300 mmHg" in fault.text


def test_a_table_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CohortError, match="no such file"):
        audit_cohort(tmp_path / "nothing.csv")


def test_bad_pages_are_findings_with_their_records(frame, tmp_path):
    bad = tmp_path / "short.jpg"
    bad.write_bytes(b"\xff\xd8\xff")
    frame.loc[2, "ecg"] = str(bad)
    path = written(frame, tmp_path)
    (found,) = [finding for finding in audit_cohort(path).blocks if finding.code == "truncated"]
    assert found.rows == (frame["record_id"][2],)
    lenient = audit_cohort(path, load_config(None, {"pages": {"skip_bad": True}}))
    assert "truncated" in codes(lenient, "warn")


def test_codes_that_cannot_be_accepted_are_refused(cohort_table):
    with pytest.raises(ConfigError, match="exact_copies"):
        audit_cohort(cohort_table, load_config(None, {"audit": {"accept": ["exact_copies"]}}))


def test_an_audit_loads_neither_torch_nor_the_encoder_s_engine(cohort_table):
    program = (
        "import sys; from pathlib import Path; from cardiograph.run.audit import audit_cohort;"
        f"audit_cohort(Path({str(cohort_table)!r}));"
        "print([name for name in ('torch', 'openvino', 'monai', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
