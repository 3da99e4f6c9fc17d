"""Finished trials are kept whatever ends a study."""

import pytest

from cardiograph.errors import RunError
from cardiograph.studies.parallel import TrialLog, trial_key
from cardiograph.studies.shared_cohort import TrialMetrics

ONE, TWO = TrialMetrics(0.75, 0.7, 0.6, 0.8, 0.5), TrialMetrics(1 / 3, 0.5, 0.5, 0.5)


def test_what_was_kept_is_known_to_the_next_process_to_the_last_bit(tmp_path):
    log = TrialLog(tmp_path / "trials.jsonl", TrialMetrics)
    log.keep("a", ONE, {"step": "x", "seed": 1})
    log.keep("b", TWO, {"step": "y", "seed": 1})
    assert TrialLog(tmp_path / "trials.jsonl", TrialMetrics).known == {"a": ONE, "b": TWO} == log.known


def test_a_line_cut_short_is_forgotten_and_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "trials.jsonl"
    TrialLog(path, TrialMetrics).keep("a", ONE, {})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    log = TrialLog(path, TrialMetrics)
    assert log.known == {"a": ONE}
    log.keep("b", TWO, {})
    assert TrialLog(path, TrialMetrics).known == {"a": ONE, "b": TWO}


def test_a_line_that_is_no_trial_is_named(tmp_path):
    path = tmp_path / "trials.jsonl"
    TrialLog(path, TrialMetrics).keep("a", ONE, {})
    path.write_bytes(path.read_bytes() + b'{"key": "b"}\n')
    with pytest.raises(RunError, match="line 2"):
        TrialLog(path, TrialMetrics)


def test_a_key_depends_on_everything_and_not_on_its_order():
    assert trial_key(a=1, b={"c": 2, "d": 3}) == trial_key(b={"d": 3, "c": 2}, a=1)
    assert len({trial_key(a=1, b=2), trial_key(a=2, b=2), trial_key(a=1)}) == 3
