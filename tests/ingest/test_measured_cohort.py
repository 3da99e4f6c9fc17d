"""ECG measurements as a block of node features: fitted, scored alone as in the run, explained, and kept in the cache."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.run.recordings_cohort import recording, write_recordings

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import load_config
from cardiograph.config_reading import PagesConfig
from cardiograph.containers import Cohort
from cardiograph.ecg import pages
from cardiograph.ecg.measure.reference import MEASUREMENT_GROUPS, MEASUREMENTS
from cardiograph.ecg.packed import pack, unpack
from cardiograph.ecg.pages import draw_ecg, prepare_ecg
from cardiograph.ecg.readers.read import read_ecg
from cardiograph.ecg.writers import ecg_files
from cardiograph.errors import CohortError
from cardiograph.explain.explanation import explain
from cardiograph.features.measurements import measurement_table, measurement_vector
from cardiograph.imaging.hashing import HASH_BYTES, near_copy_pairs
from cardiograph.imaging.prepare import UNREADABLE_LEADS
from cardiograph.inference import Predictor, Query
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.leads import measure_ecgs
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.run.pipeline import run

FORMATS = Path(__file__).parents[2] / "benchmarks" / "ecg_files" / "formats.py"


@pytest.fixture(scope="module")
def measured_run(tmp_path_factory, settings):
    """Run of 26 recordings, half of them with a left bundle branch block, on image and measurements."""
    table = write_recordings(tmp_path_factory.mktemp("measured"))
    extra = {"fusion": {"measurements": 2.0}, "model": {"epochs": 20, "patience": 5, "baselines": ["logistic"]}}
    return run(table, table.parent / "run", load_config(None, {**settings, **extra})).path


@pytest.fixture(scope="module")
def predictor(measured_run):
    return Predictor.load(measured_run)


def test_a_record_scores_alone_as_it_does_in_its_run(measured_run, predictor):
    scored = pd.read_parquet(measured_run / "predictions.parquet").set_index("record_id")["probability_sign"]
    assert len(scored) >= 4
    for record, probability in scored.items():
        alone = predictor.predict(measured_run.parent / f"{record}.dcm")
        assert alone.probability == pytest.approx(probability, abs=1e-6)
        assert "image" not in alone.missing
        assert "measurements" not in alone.missing


def test_one_recording_gets_the_same_answer_in_every_format(predictor, tmp_path):
    spec = importlib.util.spec_from_file_location("formats", FORMATS)
    formats = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(formats)
    ecg = formats.drawn_ecg(10.0, 500.0)
    answers = {}
    for name in ("wfdb", "dicom", "aecg", "sierra", "csv", "pdf"):
        files = {**formats.FORMATS, "pdf": formats.pdf}[name](ecg)
        for file, content in files.items():
            (tmp_path / file).write_bytes(content)
        answers[name] = predictor.predict(tmp_path / next(iter(files))).probability
    printed = answers.pop("pdf")
    assert answers == pytest.approx(dict.fromkeys(answers, answers["wfdb"]), abs=1e-6)
    assert printed == pytest.approx(answers["wfdb"], abs=0.02)  # its lines are within 0.05 mV


def test_the_run_states_the_values_and_their_origin(measured_run, predictor):
    values = pd.read_parquet(measured_run / "measurements.parquet").set_index("record_id")
    assert values.loc["p5", "heart_rate"] == pytest.approx(65, abs=2)
    assert (values["qrs_duration"][1::2] > 125).all()
    names, blocks = predictor.bundle.fusion.layout
    start, stop = blocks["measurements"]
    assert {name.removesuffix("_missing") for name in names[start:stop]} == set(values.columns)
    assert predictor.bundle.fusion.shares == pytest.approx({"image": 1 / 3, "measurements": 2 / 3})
    assert f"{len(values.columns)} values measured from the ECG" in predictor.bundle.served.provenance


def test_effects_of_blocks_and_measurements_add_up(measured_run, predictor):
    explanation = explain(predictor, Query(measured_run.parent / "p1.dcm"))
    assert list(explanation.blocks) == ["image", "clinical", "measurements"]
    assert explanation.base + sum(explanation.blocks.values()) == pytest.approx(explanation.probability)
    assert [each.name for each in explanation.measurements] == list(MEASUREMENT_GROUPS)
    shown = [name for each in explanation.measurements for name in each.values]
    assert sorted(shown) == sorted(set(shown))
    assert explanation.as_dict()["measurements"][0]["name"] == "rate and rhythm"


def test_each_measurement_is_in_one_group():
    members = [name for group in MEASUREMENT_GROUPS.values() for name in group]
    assert sorted(members) == sorted(MEASUREMENTS)


def test_a_bundle_of_another_version_of_the_measurements_is_refused(measured_run, monkeypatch):
    from cardiograph.errors import EngineError
    from cardiograph.inference import predictor as module

    monkeypatch.setattr(module, "MEASUREMENT_PREPARATION", "measurements=0")
    with pytest.raises(EngineError, match="make the run again"):
        Predictor.load(measured_run)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.png"
    Image.fromarray(draw_ecg(recording(rate=75))[0]).save(path)
    return path


def test_a_page_is_digitised_once_and_measured_like_its_recording(page, tmp_path, monkeypatch):
    table = pd.DataFrame({"record_id": ["a"], "patient_id": None, "class_name": "c", "split": None, "label": 0})
    cohort = Cohort(table.assign(ecg=str(page)), ())
    config = load_config(None, {"fusion": {"measurements": 1.0}})
    with PageCache(tmp_path) as cache:
        context = RunContext(config, cache, NoProgress())
        values = measure_ecgs(index_pages(cohort, context)[1], context)
        monkeypatch.setattr(pages, "digitised", None)  # a second call would fail
        again = measure_ecgs(index_pages(cohort, context)[1], context)
        both = load_config(None, {"fusion": {"measurements": 1.0}, "encoder": {"weights": "random"}})
        assert (config.needs, both.needs) == ("leads", "both")
        (facts,) = index_pages(cohort, RunContext(both, cache, NoProgress()))[1].facts
    assert facts.notes == ("The paper speed is assumed to be 25 mm/s.",)
    np.testing.assert_array_equal(values, again)
    recorded = dict(zip(MEASUREMENTS, measurement_vector(recording(rate=75)), strict=True))
    read = dict(zip(MEASUREMENTS, values[0], strict=True))
    assert read["heart_rate"] == pytest.approx(recorded["heart_rate"], abs=1)
    assert read["qrs_duration"] == pytest.approx(recorded["qrs_duration"], abs=12)


def test_a_scan_and_the_recording_that_it_shows_are_copies(page, tmp_path):
    """The scan is turned and recompressed; another recording of the same heart is no copy.

    The leads of a worse copy cannot be read, but its picture is that of the scan.
    """
    picture = Image.open(page).rotate(1.5, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    picture.convert("L").save(tmp_path / "scan.jpg", quality=60)
    Image.open(page).convert("L").save(tmp_path / "worse.jpg", quality=5)
    for seed in range(2):
        (_, content), *_ = ecg_files(recording(seed, rate=75), "dicom", "x").items()
        (tmp_path / f"{seed}.dcm").write_bytes(content)
    hashes = [
        prepare_ecg(tmp_path / name, name=name, config=PagesConfig(), needs="leads").page.perceptual_hash
        for name in ("scan.jpg", "0.dcm", "1.dcm", "worse.jpg")
    ]
    assert [bool(each[:HASH_BYTES].any()) for each in hashes] == [True, True, True, False]
    assert near_copy_pairs(np.array(hashes)).tolist() == [[0, 1], [0, 3]]


def test_packed_leads_are_the_same():
    ecg = recording().replace(derived=("aVR",), notes=("A note.",))
    again = unpack(pack(ecg))
    np.testing.assert_array_equal(again.signal, ecg.signal)
    assert (again.rate, again.derived, again.notes) == (ecg.rate, ecg.derived, ecg.notes)
    assert unpack(pack(None)) is None


def test_a_page_without_readable_leads_is_refused_by_a_model_of_leads_alone(tmp_path):
    pixels = np.full((800, 1100, 3), 255, np.uint8)
    pixels[::20], pixels[:, ::20] = (250, 180, 180), (250, 180, 180)
    pixels[300:310, 100:1000] = 0
    Image.fromarray(pixels).save(tmp_path / "grid.png")
    alone, both, leads = (
        prepare_ecg(tmp_path / "grid.png", name="grid.png", config=PagesConfig(), needs=needs)
        for needs in ("page", "both", "leads")
    )
    assert alone.page.doubt == both.page.doubt
    assert "without ECG measurements, because its leads cannot be read" in both.page.page.notes[0]
    assert leads.page.doubt.code == UNREADABLE_LEADS
    assert alone.leads is both.leads is leads.leads is None


def test_measurements_that_training_records_lack_are_no_features():
    values = np.full((4, len(MEASUREMENTS)), np.nan)
    values[:3, 0], values[0, 1], values[3, 2] = 60, 1, 1
    table = measurement_table(values, np.arange(3))
    assert [variable.name for variable in table.variables] == list(MEASUREMENTS)[:1]
    assert set(table.provenance) == {"measured from the ECG"}
    with pytest.raises(CohortError, match=r"fusion\.measurements must be 0"):
        measurement_table(values, np.array([3])[:0])


def test_the_audit_knows_which_recordings_the_encoder_has_seen(measured_run, monkeypatch):
    from cardiograph.encoders.shipped import seen_recordings
    from cardiograph.run import audit

    seen = read_ecg(measured_run.parent / "p3.dcm").content_hash()
    for encoder in ("ecg", "resnet18-ecg"):
        assert seen not in seen_recordings(encoder)
        assert len(seen_recordings(encoder)) > 500
        with monkeypatch.context() as patch:
            patch.setattr(audit, "seen_recordings", lambda _: frozenset([seen]))
            config = load_config(None, {"encoder": {"name": encoder}})
            found = audit.audit_cohort(measured_run.parent / "cohort.csv", config=config)
        assert {each.code: each for each in found.findings}["seen_by_encoder"].rows == ("p3",)
