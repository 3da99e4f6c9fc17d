"""The directory of a study is finished only if nothing fails."""

import json

import pytest

from cardiograph.errors import ConfigError
from cardiograph.studies.directory import study_directory


def test_a_directory_inside_the_cohort_is_refused(tmp_path):
    with (
        pytest.raises(ConfigError, match=r"ladder .*: is inside the cohort"),
        study_directory("ladder", tmp_path, tmp_path / "out", command=""),
    ):
        pass


def test_a_study_that_fails_is_not_marked_as_finished(tmp_path, values_table):
    from tests.studies.conftest import page_settings

    with (
        pytest.raises(KeyError),
        study_directory("compare", values_table, tmp_path / "out", command="x") as (directory, _),
    ):
        directory.begin(page_settings(), "hash")
        raise KeyError
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] != "finished"
