"""An explanation is of the very answer that is given, says the same twice, and shows only maps that mean something."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardiograph.artifacts.maps import UNCHECKED, Gain, MapVerdict
from cardiograph.errors import InputError
from cardiograph.explain import explain
from cardiograph.explain.case import ExplainedCase
from cardiograph.inference import Predictor, Query

GOOD = MapVerdict(24, *(Gain(0.2, 0.1, 0.3),) * 3, randoms=4, seed=0)


@pytest.fixture(scope="module")
def predictor(finished_run):
    return Predictor.load(finished_run)


@pytest.fixture(scope="module")
def tested(finished_run):
    table, split = (pd.read_parquet(finished_run / f"{name}.parquet") for name in ("cohort", "split"))
    return table[(split["part"] == "test").to_numpy()]


@pytest.fixture(scope="module")
def queries(tested):
    names = ("ef", "bnp", "nyha", "sbp", "age")
    return [
        Query(Path(row["ecg"]), {name: row[name] for name in names}, row["record_id"], row["patient_id"])
        for row in tested.head(3).to_dict("records")
    ]


def judged(predictor, verdict):
    bundle = predictor.bundle
    return Predictor(
        dataclasses.replace(bundle, served=dataclasses.replace(bundle.served, maps=verdict)), predictor.engine
    )


def test_the_prediction_has_the_readings_of_the_encoder(predictor, queries, monkeypatch):
    monkeypatch.setattr(type(predictor), "readings_of", lambda self, embedded, number: f"{len(embedded)} {number}")
    assert explain(predictor, queries[0]).prediction.readings == "1 0"


def test_the_probability_is_that_of_the_prediction_to_the_last_bit(predictor, queries):
    for query, answer in zip(queries, predictor.predict_many(queries), strict=True):
        found = explain(predictor, query)
        assert found.probability == answer.probability == found.as_dict()["probability"]
        assert found.prediction == predictor.predict(query.page, query.clinical, patient_id=query.patient_id)
        assert [each.record_id for each in found.neighbours] == [each.record_id for each in answer.neighbours]


def test_parts_add_up(predictor, queries):
    result = explain(predictor, queries[0]).as_dict()
    effects = sum(each["effect"] for each in result["clinical"]["effects"])
    assert result["base"] + effects + result["clinical"]["rest"] == pytest.approx(result["probability"], abs=1e-9)
    assert result["base"] + sum(result["blocks"].values()) == pytest.approx(result["probability"], abs=1e-9)
    for each in result["neighbours"]:
        assert each["change"] == each["probability_without"] - result["probability"]


def test_a_patient_without_a_page_or_without_values_is_explained(predictor, queries):
    blind = explain(predictor, dataclasses.replace(queries[0], page=None)).as_dict()
    assert blind["map"] is None and blind["blocks"]["image"] == 0 and blind["clinical"]["effects"]
    bare = explain(predictor, dataclasses.replace(queries[0], clinical={})).as_dict()
    assert bare["clinical"]["effects"] == () and bare["blocks"]["clinical"] == 0
    assert bare["base"] + bare["clinical"]["rest"] == pytest.approx(bare["probability"], abs=1e-9)


def test_it_is_deterministic_and_plain_json(predictor, queries):
    served = judged(predictor, GOOD)
    texts = {json.dumps(explain(served, queries[0]).as_dict(), allow_nan=False) for _ in range(2)}
    assert len(texts) == 1


def test_a_map_is_shown_only_where_the_check_found_that_it_means_something(predictor, queries):
    bad = dataclasses.replace(GOOD, deletion=Gain(0.1, -0.1, 0.3))
    for verdict, reason in ((None, UNCHECKED), (bad, bad.sentence)):
        shown = explain(judged(predictor, verdict), queries[0]).as_dict()["map"]
        assert (shown["shown"], shown["reason"], shown["heat"]) == (False, reason, None)
    shown = explain(judged(predictor, GOOD), queries[0]).as_dict()["map"]
    heat = np.array(shown["heat"])
    assert shown["shown"] and shown["direction"] in ("raised", "lowered") and shown["reason"] == GOOD.sentence
    assert heat.shape == (14, 14) and heat.min() == 0 and heat.max() == 1
    left, top, right, bottom = shown["box"]
    width, height = shown["page"]
    assert 0 <= left < right <= width and 0 <= top < bottom <= height


def test_the_page_is_embedded_once(predictor, queries, monkeypatch):
    runs = []
    embed = Predictor.embed
    monkeypatch.setattr(Predictor, "embed", lambda self, *given: runs.append(1) or embed(self, *given))
    explain(judged(predictor, GOOD), queries[0])
    assert len(runs) == 1


def test_faults_are_those_of_a_prediction(predictor, queries):
    faulty = dataclasses.replace(queries[0], page=b"no picture", clinical={"ef": 45.0})
    with pytest.raises(InputError) as explained:
        explain(predictor, faulty)
    with pytest.raises(InputError) as predicted:
        list(predictor.predict_many([faulty]))
    assert explained.value.issues == predicted.value.issues


def test_explaining_loads_no_training_library(finished_run, tested):
    heavy = ["monai", "torch_geometric", "sklearn", "pandas", "matplotlib", "scipy"]
    page = tested["ecg"].iloc[0]
    code = (
        "import sys; from pathlib import Path; from cardiograph.inference import Predictor, Query\n"
        f"from cardiograph.explain import explain; p = Predictor.load({str(finished_run)!r})\n"
        f"explain(p, Query(Path({page!r}), {{'ef': 0.4}})); print([m for m in {heavy} if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_case_is_scored_as_the_predictor_scores_it(predictor, queries):
    case = ExplainedCase.of(predictor, queries[0])
    assert case.score_copies(case.attached.features).raw[0] == case.raw
