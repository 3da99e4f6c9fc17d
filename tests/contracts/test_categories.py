"""A column of words goes all the way: table, model, bundle, command line, explanation, service and FHIR."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from tests.service.web.test_routes import Form

from cardiograph.cli.app import main
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import load_config
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import CohortError
from cardiograph.inference import Predictor
from cardiograph.service.api.fhir_codes import observations
from cardiograph.service.app import create_app
from cardiograph.service.records import Records
from cardiograph.service.settings import ServiceSettings

SEX = {"name": "sex", "title": "sex", "categories": ["female|f", "male|m"]}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """120 patients; most women have the outcome, and sex is written in four ways."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 120)
    woman = label ^ (rng.random(120) < 0.1)
    words = np.where(woman, rng.choice(["F", "female"], 120), rng.choice(["M", "Male"], 120))
    words[:3] = ""
    frame = pd.DataFrame({"patient_id": [f"p{row}" for row in range(120)], "label": label, "sex": words})
    path = tmp_path_factory.mktemp("words") / "cohort.csv"
    frame.assign(age=rng.integers(40, 90, 120)).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trained(table, settings, tmp_path_factory):
    from cardiograph.run.pipeline import run

    config = load_config(None, settings | {"cohort": {"variables": [SEX]}})
    return run(table, tmp_path_factory.mktemp("words") / "run", config).path


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor.load(trained)


def probability(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--json"])
    assert not ended.value.code
    return json.loads(capsys.readouterr().out)["probability"]


def test_a_table_holds_words_and_a_cohort_their_places(table):
    cohort = read_cohort(table, CohortConfig(variables=(SEX,)), outcome="x")
    assert set(cohort.table["sex"].dropna()) == {0.0, 1.0}
    assert cohort.table["sex"].isna().sum() == 3


@pytest.mark.parametrize(("word", "code"), [("N/A", "missing_word"), ("woman", "category"), ("1", "category")])
def test_another_word_is_a_fault(tmp_path, word, code):
    path = tmp_path / "c.csv"
    path.write_text(f"label,sex\n1,f\n0,{word}\n")
    with pytest.raises(CohortError) as caught:
        read_cohort(path, CohortConfig(variables=(SEX,)), outcome="x")
    (issue,) = caught.value.issues
    assert (issue.column, issue.value, issue.code) == ("sex", word, code)
    assert "female or f, male or m" in issue.rule


def test_the_command_line_takes_the_word_and_the_model_reads_it(trained, predictor, capsys):
    women, men = (
        probability(capsys, "predict", trained, "--age", 60, "--value", f"sex={sex}") for sex in ("F", "male")
    )
    assert women > men + 0.2
    assert women == predictor.predict(None, {"age": 60, "sex": 0}).probability
    with pytest.raises(SystemExit):
        main(["predict", str(trained), "--value", "sex=woman"])
    assert "the categories are female, male" in " ".join(capsys.readouterr().err.split())


def test_an_explanation_shows_the_word(trained, capsys):
    with pytest.raises(SystemExit):
        main(["predict", str(trained), "--age", "60", "--value", "sex=male", "--explain"])
    assert "1 (male)" in capsys.readouterr().out


def test_a_table_to_be_scored_may_use_any_spelling(trained, table, tmp_path, capsys):
    path = tmp_path / "new.csv"
    path.write_text("patient_id,age,sex\na,60,F\nb,60,female\nc,60,m\n")
    with pytest.raises(SystemExit):
        main(["predict", str(trained), "--table", str(path), "--json"])
    found = [each["probability"] for each in json.loads(capsys.readouterr().out)["predictions"]]
    assert found[0] == found[1] > found[2]


def test_fhir_and_the_service_show_the_word(trained, predictor, tmp_path):
    from starlette.testclient import TestClient

    variables = predictor.bundle.scaler.variables
    concepts = [each.get("valueCodeableConcept") for each in observations({"age": 60, "sex": 1.0}, variables, None)]
    assert {"text": "male"} in concepts
    records = Records.open(str(tmp_path / "records.sqlite"))
    app = create_app(ServiceSettings(run=trained), predictor=predictor, records=records)
    with TestClient(app, base_url="http://localhost") as client:
        result = client.get("/v1/model").json()["variables"]
        assert next(each["categories"] for each in result if each["name"] == "sex") == SEX["categories"]
        form = Form(type("Served", (), {"client": client}))
        assert '<option value="1">male</option>' in form.page
        form.send(**{"value-age": "60", "value-sex": "1"})
        assert '<option value="1" selected>male</option>' in form.page
        assert "<dd>male" in form.page
        assert client.post("/v1/predictions", json={"values": {"sex": 2}}).status_code == 422


def test_a_second_cohort_is_read_with_the_words_of_the_run(trained, table, tmp_path, capsys):
    copy = shutil.copy(table, tmp_path / "other.csv")
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(trained), str(copy), "--out", str(tmp_path / "out"), "--json"])
    assert not ended.value.code
