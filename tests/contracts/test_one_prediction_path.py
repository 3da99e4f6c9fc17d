"""The report and predict give the same probability, for one patient or many."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardiograph.inference import Predictor, Query

VARIABLES = ("ef", "bnp", "nyha", "sbp", "age")


@pytest.fixture(scope="module")
def result(finished_run):
    """Test records with what the report used."""
    predictions = pd.read_parquet(finished_run / "predictions.parquet")
    cohort = pd.read_parquet(finished_run / "cohort.parquet")
    return predictions.merge(cohort, on="record_id", suffixes=("", "_cohort"))


@pytest.fixture(scope="module")
def predictor(finished_run):
    return Predictor.load(finished_run)


def query(row):
    return Query(Path(row.ecg), {name: getattr(row, name) for name in VARIABLES}, row.record_id, row.patient_id)


def test_predict_gives_the_probability_of_the_report(predictor, result):
    for row in result.head(12).itertuples():
        answer = predictor.predict(row.ecg, {name: getattr(row, name) for name in VARIABLES})
        assert answer.probability == pytest.approx(row.probability_sign, abs=1e-5)


def test_one_patient_of_many_gets_the_answer_it_gets_alone(predictor, result):
    rows = list(result.itertuples())
    size = 34  # more than one chunk of the predictor
    crowd = [query(rows[number % len(rows)]) for number in range(size)]
    answers = list(predictor.predict_many(crowd))
    chosen = size * 2 // 3
    (alone,) = predictor.predict_many([crowd[chosen]])
    assert answers[chosen].probability == pytest.approx(alone.probability, abs=1e-5)
    assert [n.record_id for n in answers[chosen].neighbours] == [n.record_id for n in alone.neighbours]


def test_a_score_ignores_the_order_of_the_others(predictor, result):
    rows = [query(row) for row in result.head(8).itertuples()]
    forward = [answer.probability for answer in predictor.predict_many(rows)]
    backward = [answer.probability for answer in predictor.predict_many(rows[::-1])][::-1]
    np.testing.assert_allclose(forward, backward, atol=1e-5)


def test_a_page_of_the_reference_is_scored_without_its_group(predictor, finished_run):
    cohort = pd.read_parquet(finished_run / "cohort.parquet")
    split = pd.read_parquet(finished_run / "split.parquet")
    reference = cohort[(split["part"] == "train").to_numpy()]
    own_group = dict(zip(split["record_id"], split["group"], strict=True))
    row = next(reference.itertuples())
    answer = predictor.predict(row.ecg, {})
    assert any("this page is in the reference" in warning for warning in answer.warnings)
    assert all(own_group[n.record_id] != own_group[row.record_id] for n in answer.neighbours)


def test_a_patient_of_the_reference_is_scored_without_its_records(predictor, result, finished_run):
    cohort = pd.read_parquet(finished_run / "cohort.parquet").set_index("record_id")
    row = next(result.itertuples())
    first = predictor.predict(row.ecg, {}).neighbours[0].record_id
    patient = cohort.loc[first, "patient_id"]
    answer = predictor.predict(row.ecg, {}, patient_id=patient)
    assert first not in {n.record_id for n in answer.neighbours}
    assert any("this patient is in the reference" in warning for warning in answer.warnings)


@pytest.mark.parametrize("given", [17, 17.0, "17", "17.0", "'17", "１７", " 17\u200b"])
def test_a_patient_id_is_the_same_however_it_is_written(finished_run, given, predictor, result):
    import dataclasses as dc

    reference = predictor.bundle.reference
    nearest = predictor.predict(result.ecg[0], {}).neighbours[0].record_id
    row = reference.record_ids.index(nearest)
    ids = tuple("17" if number == row else "" for number in range(len(reference)))
    renamed = dc.replace(predictor.bundle, reference=dc.replace(reference, patient_ids=ids))
    again = Predictor(renamed, predictor._engine).predict(result.ecg[0], {}, patient_id=given)
    assert nearest not in {neighbour.record_id for neighbour in again.neighbours}


def test_a_shortened_patient_id_is_refused(predictor, result):
    from cardiograph.errors import InputError

    with pytest.raises(InputError) as caught:
        predictor.predict(result.ecg[0], {}, patient_id="1.2345E+11")
    assert [issue.code for issue in caught.value.issues] == ["id_shortened"]


def test_an_unfinished_run_is_not_served(finished_run, tmp_path):
    import json
    import shutil

    from cardiograph.errors import RunError

    shutil.copytree(finished_run, tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps(facts | {"status": "unfinished"}))
    with pytest.raises(RunError, match="the run is unfinished"):
        Predictor.load(tmp_path / "run")


def test_faults_of_all_patients_of_a_crowd_come_at_once(predictor, result):
    from cardiograph.errors import PageError

    crowd = [query(row) for row in result.head(3).itertuples()]
    bad = [Query(b"not a picture", {}, name) for name in ("a", "b")]
    with pytest.raises(PageError) as caught:
        list(predictor.predict_many([*crowd[:2], bad[0], *[crowd[2]] * 40, bad[1]]))
    assert [issue.where for issue in caught.value.issues] == ["page a", "page b"]


def test_serving_loads_no_training_library():
    import subprocess
    import sys

    heavy = ["monai", "torch_geometric", "sklearn", "pandas", "matplotlib", "scipy"]
    code = f"import sys, cardiograph.inference; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_predicting_loads_no_training_library(finished_run, result):
    import subprocess
    import sys

    heavy = ["monai", "torch_geometric", "sklearn", "pandas", "matplotlib", "scipy"]
    code = (
        f"import sys; from cardiograph.inference import Predictor; p = Predictor.load({str(finished_run)!r})\n"
        f"p.predict({result.ecg[0]!r}, {{'ef': 0.4}}); print([m for m in {heavy} if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_values_out_of_range_and_unknown_ones_are_refused(predictor, result):
    from cardiograph.errors import InputError

    for clinical, code in (
        ({"ef": 45.0}, "out_of_range"),
        ({"creatinine": 1.0}, "unknown_variable"),
        ({"nyha": 2.5}, "out_of_range"),
    ):
        with pytest.raises(InputError) as caught:
            predictor.predict(result.ecg[0], clinical)
        assert caught.value.issues[0].code == code
        assert caught.value.issues[0].column == next(iter(clinical))


def test_missing_and_unusual_values_are_reported(predictor, result):
    answer = predictor.predict(result.ecg[0], {"ef": 0.06, "nyha": 2})
    assert any(warning.startswith("ef is 0.06") for warning in answer.warnings)
    assert any(warning.startswith("not given: bnp, sbp, age") for warning in answer.warnings)


def test_a_changed_bundle_is_not_loaded(finished_run, tmp_path):
    import shutil

    from cardiograph.errors import RunError

    shutil.copytree(finished_run / "bundle", tmp_path / "bundle")
    weights = tmp_path / "bundle" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(RunError, match="differs from its checksum"):
        Predictor.load(tmp_path)


def test_an_engine_that_computes_other_numbers_is_refused(finished_run, tmp_path):
    import json
    import shutil

    from cardiograph.artifacts.checked import sealed
    from cardiograph.errors import EngineError

    shutil.copytree(finished_run / "bundle", tmp_path / "bundle")
    facts = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    facts["probe"] = [value * 1.01 for value in facts["probe"]]
    del facts["checksum"]
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(sealed(facts)))
    with pytest.raises(EngineError, match="different numbers"):
        Predictor.load(tmp_path)


def test_prediction_is_plain_json(predictor, result):
    import json

    answer = predictor.predict(result.ecg[0], {"ef": 0.4})
    content = json.loads(json.dumps(answer.as_dict(), allow_nan=False))
    assert content["probability"] == answer.probability
    assert dataclasses.is_dataclass(answer) and len(content["neighbours"]) == 5
