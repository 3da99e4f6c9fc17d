"""Stored ECGs of a run and of its extension: row by row those of the files, in the report, and on no account by default."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.run.recordings_cohort import recording, write_recordings

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.reference_ecgs import ECGS, leads_in, stored
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cli.demo import DEMO
from cardiograph.config import RunConfig, load_config
from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.pages import draw_ecg, read_leads_again
from cardiograph.ecg.readers.read import read_ecg
from cardiograph.external.extend import ECGS_STORED, extend_run
from cardiograph.inference import Predictor
from cardiograph.run import map_ecgs
from cardiograph.run.pipeline import run
from cardiograph.run.report import write_report


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_recordings(tmp_path_factory.mktemp("ecgs"))


def configured(settings, **bundle):
    model = {"epochs": 5, "patience": 5, "baselines": ["logistic"]}
    return load_config(None, {**settings, "encoder": {"name": "ecg"}, "model": model, "bundle": bundle})


@pytest.fixture(scope="module")
def ecg_run(table, settings):
    return run(table, table.parent / "run", configured(settings, ecgs="traces")).path


@pytest.fixture(scope="module")
def reference(ecg_run):
    return ModelBundle.load(ecg_run / "bundle").reference


def test_each_row_is_the_ecg_of_the_file_of_its_record(table, reference):
    rows = pd.read_csv(table).set_index("record_id")["ecg"]
    assert len(reference.ecgs) == len(reference) > 10
    for record, ecg in zip(reference.record_ids, reference.ecgs, strict=True):
        np.testing.assert_array_equal(ecg, stored(read_ecg(table.parent / rows[record])), record)
    assert len({each.tobytes() for each in reference.ecgs}) == len(reference)


def test_no_validation_or_test_record_is_stored(ecg_run, reference):
    split = pd.read_parquet(ecg_run / "split.parquet").set_index("record_id")["part"]
    assert set(split[list(reference.record_ids)]) == {"train"}


def test_only_on_request(table, settings, tmp_path):
    assert RunConfig().bundle.ecgs == "none"
    path = run(table, tmp_path / "run", configured(settings)).path
    assert not (path / "bundle" / ECGS).exists()
    assert "ecgs" not in report_map(path)
    assert "It stores no ECGs." in (path / "model_card.md").read_text()
    assert load_config(None, None, kind=RunConfig, base=DEMO).bundle.ecgs == "traces", "synthetic patients"


def test_answers_do_not_depend_on_it(table, settings, tmp_path, ecg_run):
    other = run(table, tmp_path / "run", configured(settings)).path
    found = [Predictor.load(path).predict(table.parent / "p1.dcm").as_dict() for path in (ecg_run, other)]
    assert found[0] == found[1]


def report_map(path):
    text = (path / "report.html").read_text()
    return json.loads(re.search(r'id="patient-map-content">(.*?)</script>', text)[1])


def test_the_report_holds_the_ecgs_of_few_records_and_the_card_says_so(ecg_run, reference):
    ecgs = report_map(ecg_run)["ecgs"]
    assert set(ecgs) == set(reference.record_ids)
    assert all(each.startswith("<svg") for each in ecgs.values())
    assert "An ECG can identify a person" in (ecg_run / "model_card.md").read_text()


def test_the_report_of_many_records_leaves_them_to_the_service(ecg_run, tmp_path, monkeypatch):
    copy = shutil.copytree(ecg_run, tmp_path / "run")
    monkeypatch.setattr(map_ecgs, "MAX_BYTES", 100_000)
    write_report(RunDirectory(copy))
    assert report_map(copy)["ecgs"] is None


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """Three other recordings, as pages."""
    folder = tmp_path_factory.mktemp("more")
    table = write_recordings(folder, count=3)
    rows = pd.read_csv(table)
    for number in range(3):  # other recordings than those of the run
        Image.fromarray(draw_ecg(recording(seed=50 + number, rate=75 + number))[0]).save(folder / f"q{number}.png")
    rows["record_id"], rows["ecg"] = [f"q{number}" for number in range(3)], [f"q{number}.png" for number in range(3)]
    rows.to_csv(table, index=False)
    return table


def test_an_extension_adds_the_ecgs_of_its_records(ecg_run, reference, more, tmp_path):
    extended = extend_run(ecg_run, more, tmp_path / "extended")
    found = ModelBundle.load(extended.path / "bundle").reference
    np.testing.assert_array_equal(found.ecgs[: len(reference)], reference.ecgs)
    assert found.record_ids[-3:] == ("q0", "q1", "q2")
    for name in found.record_ids[-3:]:
        _, read, _ = read_leads_again(more.parent / f"{name}.png", PagesConfig())
        np.testing.assert_array_equal(found.ecg(name), leads_in(stored(read)))
    assert ECGS_STORED in extended.facts["notes"]
