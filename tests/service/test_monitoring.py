"""The monitoring page shows what changed, to operators alone, and does not compute it for each request."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pandas as pd
import pytest

from cardiograph.service.monitoring import FEWEST, NO_VALUES
from cardiograph.service.records import PredictionEntry

PATIENTS = 30


def fill(served, **changes):
    """Store predictions of an application of :class:`RunningService`."""
    store(served.records, served.settings.run, served.app.state.serving.model_sha256, **changes)


def store(records, run, model, *, shift=0.0, count=PATIENTS, outcome=None, stored=True, days=1):
    """Store predictions of different patients on the last days, and their outcomes."""
    known = pd.read_parquet(run / "cohort.parquet").sample(count, replace=True, random_state=1)
    outcomes = {}
    for number, (_, row) in enumerate(known.iterrows()):
        values = {name: float(row[name]) for name in ("ef", "bnp", "nyha", "sbp") if pd.notna(row[name])}
        values["age"] = 40.0 + number % 40 + shift
        positive = number % 2
        answer = {
            "probability": 0.3 + 0.4 * positive,
            "novelty": 0.5,
            "missing": ["image"],
            "warnings": [],
            "outcome": "x",
        }
        id_ = uuid4().hex
        records.add(
            PredictionEntry(
                id_,
                datetime.now(UTC) - timedelta(days=number % days),
                model,
                None,
                None,
                records.hmac_of({**values, "sbp": 100 + number}),
                answer,
                None,
                values if stored else None,
            )
        )
        outcomes[id_] = {"outcome": positive if outcome is None else outcome}
    records.outcomes.add(outcomes, key_id=None)


def gauges(served):
    lines = served.client.get("/metrics").text.splitlines()
    return {
        line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in lines if line.startswith("cardiograph_monitoring")
    }


def test_the_page_and_the_metrics_show_what_changed(served):
    fill(served, shift=45)
    page = served.client.get("/monitoring").text
    assert "Age has changed: the mean is" in page
    assert "The ECG is missing in 100.0\N{NO-BREAK SPACE}% of recent patients" in page
    assert f"{PATIENTS} of {PATIENTS} recent patients lack a block" in page
    assert "AUROC of the run’s test patients" in page
    found = gauges(served)
    assert float(found["cardiograph_monitoring_predictions"]) == PATIENTS
    assert float(found["cardiograph_monitoring_auroc"]) == 1
    assert float(found["cardiograph_monitoring_observed_to_expected"]) == pytest.approx(1)
    assert float(found['cardiograph_monitoring_drift_alert{value="age"}']) == 1
    assert float(found['cardiograph_monitoring_missing_ratio{block="the ECG"}']) == 1
    assert float(found[f'cardiograph_monitoring_missing_ratio{{block="{NO_VALUES.removesuffix(" is missing")}"}}']) == 0


def test_the_docs_have_every_metric():
    from tests.test_docs import ROOT, rows, section

    from cardiograph.service.monitoring_metrics import GAUGES, LABELLED

    text = (ROOT / "docs/how-to/watch-a-model.md").read_text()
    listed = {key.partition("{")[0] for key in rows(section(text, "## Metrics for Prometheus"))}
    assert {key for key in listed if key.startswith("cardiograph")} == {
        f"cardiograph_monitoring_{name}" for name in (*GAUGES, *LABELLED)
    }


def test_values_that_are_not_stored_are_not_compared_and_the_page_says_so(served):
    fill(served, stored=False)
    page = served.client.get("/monitoring").text
    assert "clinical values of patients are not compared" in page
    assert "Age has changed" not in page
    assert 'value="age"' not in json.dumps(list(gauges(served)))


def test_few_predictions_have_no_figures_but_their_number(served):
    fill(served, count=FEWEST - 1)
    page = served.client.get("/monitoring").text
    assert "nothing could be compared yet" in page
    assert gauges(served)["cardiograph_monitoring_mean_probability"] == "NaN"
    assert float(gauges(served)["cardiograph_monitoring_predictions"]) == FEWEST - 1


def test_the_comparison_is_computed_once_in_a_while(serve):
    served = serve(monitoring_minutes=60)
    assert "no predictions in this time" in served.client.get("/monitoring").text
    fill(served, count=FEWEST)
    assert "no predictions in this time" in served.client.get("/monitoring").text
    served = serve(monitoring_minutes=1e-6)
    served.client.get("/monitoring")
    fill(served, count=FEWEST)
    assert "no predictions in this time" not in served.client.get("/monitoring").text


def test_the_example_patient_is_no_patient(served):
    site, records = served.app.state.site, served.records
    page, values = site.example.hashes(records)
    answer = {"probability": 0.5, "novelty": 0.5, "missing": [], "warnings": [], "outcome": "x"}
    model = served.app.state.serving.model_sha256
    records.add(PredictionEntry(uuid4().hex, datetime.now(UTC), model, None, page, values, answer))
    assert "no predictions in this time" in served.client.get("/monitoring").text


def test_only_operators_see_the_page(serve):
    served = serve(require_key=True)
    ward, operator = served.key("predict", "read", "outcomes"), served.key("metrics")
    for key, status in ((ward, 403), (operator, 200)):
        assert served.client.get("/monitoring", headers={"Authorization": f"Bearer {key}"}).status_code == status
    assert served.client.get("/monitoring").status_code == 401


@pytest.mark.parametrize("kind", ["survival_run", "labels_run"])
@pytest.mark.slow
def test_other_outcomes_have_volume_and_novelty(kind, request, tmp_path):
    from starlette.testclient import TestClient

    from cardiograph.service.app import create_app
    from cardiograph.service.settings import ServiceSettings

    settings = ServiceSettings(run=request.getfixturevalue(kind), database=str(tmp_path / "records.sqlite"))
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        variables = client.get("/v1/model").json()["variables"]
        for step in range(FEWEST):
            values = {each["name"]: each["low"] + step * (each["high"] - each["low"]) // 8 for each in variables}
            made = client.post("/v1/predictions", json={"values": values})
            assert made.status_code == 201, made.text
        page = client.get("/monitoring").text
    assert "Only volume, missing blocks and novelty are watched" in page
    assert f'<td class="n">{FEWEST}</td>' in page
