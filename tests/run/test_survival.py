"""A run with a time-to-event outcome, from the table to the report and the curve of a patient."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import cardiograph as cg
from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.audit import checks
from cardiograph.audit.late import check_late
from cardiograph.cli.app import app
from cardiograph.config import load_config
from cardiograph.errors import CohortError, ConfigError, RunError
from cardiograph.inference import Predictor, Query
from cardiograph.inference.survival import SurvivalPredictor, load_predictor
from cardiograph.inference.table import score_table
from cardiograph.ingest.context import RunContext
from cardiograph.progress import NoProgress
from cardiograph.report.survival_figures import risk_groups
from cardiograph.run import pipeline, survival_report
from cardiograph.run.survival import SurvivalState, horizons_of, run_survival, train
from cardiograph.stages import read_cohort
from cardiograph.survival.evaluation import judge
from cardiograph.survival.hazards import FollowUpFacts
from cardiograph.survival.outcome import SurvivalOutcome
from cardiograph.survival.scores import Interval
from cardiograph.train.steps import DEFAULT_STEPS

SETTINGS = {
    "outcome": {"name": "death", "time": "time", "horizons": [200, 400], "refits": 2},
    "model": {"epochs": 4, "width": 16, "members": 4},
    "evaluation": {"bootstrap": 100},
}


def rows_of(seed=0, count=180):
    """Records in a given split; a low ejection fraction brings the event forward, and others compete."""
    rng = np.random.default_rng(seed)
    ef, age = rng.uniform(0.15, 0.65, count), rng.uniform(40, 85, count)
    event, other, end = rng.exponential(6000 * ef**3), rng.exponential(2500, count), rng.uniform(100, 900, count)
    time = np.ceil(np.minimum(np.minimum(event, other), end))
    code = np.where(end < np.minimum(event, other), 0, np.where(event < other, 1, 2))
    part = np.array(["train", "train", "train", "val", "test"])[np.arange(count) % 5]
    return [
        {"patient_id": f"p{row}", "ef": f"{ef[row]:.3f}", "age": f"{age[row]:.0f}", "time": f"{time[row]:.0f}"}
        | {"event": str(code[row]), "split": str(part[row])}
        for row in range(count)
    ]


def write(path, rows):
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rows = rows_of()
    rows[0] |= {"time": "", "event": ""}  # a neighbour without follow-up
    return write(tmp_path_factory.mktemp("survival") / "cohort.csv", rows)


@pytest.fixture(scope="module")
def finished(table):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "CHECKS", (check_late,))
        patch.setattr(survival_report, "draw_survival", lambda content: {"risk_groups": draw_risk_groups(content)})
        return run_survival(table, table.parent / "run", load_config(None, SETTINGS))


def draw_risk_groups(content):
    metrics = content.metrics
    last = metrics.horizons[-1]
    return risk_groups(content.outcome, content.risk, unit=metrics.unit, last=last, confidence=metrics.confidence)


@pytest.fixture(scope="module")
def predictor(finished):
    return load_predictor(finished.path)


def test_scores_say_more_than_chance_and_a_shuffled_outcome_does_not(finished):
    scores = finished.metrics.scores
    assert set(scores) == {
        "sign", "sign_cox", "mlp", "mlp_cox", "cox_clinical", "kaplan_meier", "shuffled",
    }  # fmt: skip
    assert scores["sign"]["uno_c"].low > 0.5
    assert abs(scores["shuffled"]["uno_c"].value - 0.5) < abs(scores["sign"]["uno_c"].value - 0.5)
    assert scores["kaplan_meier"]["uno_c"].value == 0.5
    assert scores["sign"]["integrated_brier"].value < scores["kaplan_meier"]["integrated_brier"].value
    assert finished.metrics.counts["train"].records == 107
    assert finished.metrics.counts["test"].competing > 0
    stored = json.loads((finished.path / "metrics.json").read_text())
    assert stored["events_per_variable"]["sign"] == finished.metrics.counts["train"].events / 2


def test_the_report_begins_with_the_verdict_and_shows_numbers_at_risk(finished):
    report = (finished.path / "report.html").read_text()
    assert report.index(finished.metrics.verdict[:40]) < report.index("<h2>Cohort</h2>")
    assert ">nan" not in report
    svg = (finished.path / "figures" / "risk_groups.svg").read_text()
    assert "at risk" in svg and "high risk" in svg


def test_the_reported_risks_are_those_that_are_served(finished, predictor, table):
    import pandas as pd

    stored = pd.read_parquet(finished.path / "predictions.parquet").set_index("record_id")
    row = pd.read_csv(table).set_index("patient_id").loc["p4"]
    found = predictor.predict(None, {"ef": row["ef"], "age": row["age"]}, patient_id="p4")
    assert [point.risk for point in found.risks] == pytest.approx(
        stored.loc["p4", ["risk_sign:200", "risk_sign:400"]].tolist(), abs=1e-9
    )


def test_one_patient_of_many_gets_the_curve_it_gets_alone(predictor):
    queries = [Query(clinical={"ef": 0.2 + 0.05 * number, "age": 60}) for number in range(5)]
    together = list(predictor.predict_many(queries))
    for query, found in zip(queries, together, strict=True):
        alone = predictor.predict(None, query.clinical)
        for name in ("risk", "low", "high"):
            mine, theirs = ([getattr(point, name) for point in each.curve] for each in (alone, found))
            assert mine == pytest.approx(theirs, abs=1e-9)
    assert together[0].probability > together[-1].probability


def test_a_curve_rises_from_zero_within_its_band(predictor):
    found = predictor.predict(None, {"ef": 0.3, "age": 60})
    assert (found.curve[0].time, found.curve[0].risk) == (0, 0)
    risks = [point.risk for point in found.curve]
    assert risks == sorted(risks)
    assert all(point.low <= point.risk <= point.high for point in found.curve)
    assert found.curve[-1].high > found.curve[-1].low
    assert (found.curve[-1].time, found.probability) == (400, found.curve[-1].risk)
    assert found.headline == "death within 400 days"
    assert found.band.startswith("5th to 95th percentile of 2 networks")


def test_predict_shows_risks_and_draws_the_curve(finished, table, tmp_path):
    command = ["predict", str(finished.path), "--ef", "0.3", "--curve", str(tmp_path / "curve.svg")]
    shown = CliRunner().invoke(app, command, env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert "risk of death" in shown.output and "band: 5th" in shown.output
    assert "death within 400 days" in shown.output
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")
    answer = json.loads(CliRunner().invoke(app, ["predict", str(finished.path), "--ef", "0.3", "--json"]).stdout)
    assert [point["time"] for point in answer["risks"]] == [200, 400]
    rows = score_table(finished.path, table)
    assert rows["risk_400_days"].between(rows["low_400_days"], rows["high_400_days"]).all()


def test_what_does_not_support_the_outcome_says_so(finished, table, tmp_path):
    with pytest.raises(RunError, match="predicts the time to an event, which this command does not support"):
        Predictor.load(finished.path)
    config = load_config(None, SETTINGS)
    for use in (lambda: cg.run(table, tmp_path / "r", config), lambda: read_cohort(table, config)):
        with pytest.raises(ConfigError, match=r"outcome\.kind is 'survival'"):
            use()


@pytest.mark.parametrize(
    "settings", [{"model": {"name": "gcn"}}, {"balance": {"mode": "weights"}}, {"graph": {"space": "learnt"}}]
)
def test_settings_of_classes_are_refused(table, tmp_path, settings):
    with pytest.raises(ConfigError, match=r"outcome\.kind is 'survival'"):
        run_survival(table, tmp_path / "r", load_config(None, {**SETTINGS, **settings}))


def prepared_state(table, folder, settings=SETTINGS):
    """The state of a run before its training."""
    config = load_config(None, settings)
    directory = RunDirectory(folder)
    with PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, NoProgress())
        cohort = pipeline.read(table, directory, config)
        state = SurvivalState(table, context, directory, cohort, DEFAULT_STEPS, "")
        for step in (pipeline.group, pipeline.split, pipeline.add_clinical_values):
            step(state)
        state.dataset = DEFAULT_STEPS.build_dataset(state.cohort, None, state.split, state.clinical, context)
        pipeline.build_graph(state)
    return state


def test_poisoned_test_rows_move_no_network(finished, table, tmp_path):
    rows = rows_of()
    rows[0] |= {"time": "", "event": ""}
    for row in rows:
        if row["split"] == "test":
            row |= {"ef": "0.9", "age": "99", "time": "9999", "event": "1" if row["event"] == "0" else "0"}
    state = prepared_state(write(tmp_path / "poisoned.csv", rows), tmp_path / "run")
    train(state)
    kept = load_predictor(finished.path).bundle
    for mine, theirs in (
        (state.models.networks["sign"].network, kept.network),
        *zip(state.models.refits, kept.refits, strict=True),
    ):
        for name, weight in mine.state_dict().items():
            assert torch.equal(weight, theirs.state_dict()[name]), name


def test_a_horizon_beyond_the_follow_up_and_a_part_without_events_are_named(table, tmp_path):
    outcome = {**SETTINGS["outcome"], "horizons": [200, 5000]}
    with pytest.raises(ConfigError, match="5000 days is not before the last follow-up in train"):
        horizons_of(prepared_state(table, tmp_path / "run", {**SETTINGS, "outcome": outcome}))
    plain = {name: value for name, value in SETTINGS["outcome"].items() if name != "horizons"}
    chosen = horizons_of(prepared_state(table, tmp_path / "run", {**SETTINGS, "outcome": plain}))
    assert len(chosen) == 3 and list(chosen) == sorted(chosen)
    rows = [row | ({"event": "0"} if row["split"] == "train" else {}) for row in rows_of()]
    with pytest.raises(CohortError, match="no labelled record of class with the event in 'train'"):
        prepared_state(write(tmp_path / "eventless.csv", rows), tmp_path / "run")


def test_incidence_with_constant_hazards_on_paper():
    # Hazards of 0.1 a day for the event; competing events halve the rest on day 5.
    facts = FollowUpFacts("days", (10.0,), (0.0, 10.0), (5.0,), (0.5,))
    logit = np.log(np.expm1(1.0))  # softplus gives a cumulative hazard of 1 after 10 days
    risk = facts.risk(np.array([[logit]]), np.array([5.0, 10.0, 99.0]))[0]
    first, second = 1 - np.exp(-0.5), 0.5 * (np.exp(-0.5) - np.exp(-1.0))
    assert risk == pytest.approx([first, first + second, first + second], abs=0.005)
    outcome = SurvivalOutcome(np.array([5.0, 5.0, 9.0]), np.array([2, 0, 1]))
    kept = FollowUpFacts.of(outcome, np.array([0.0, 9.0]), unit="days", horizons=(9.0,))
    assert (kept.other_times, kept.other_free) == ((5.0,), (pytest.approx(2 / 3),))


def test_the_verdict_follows_the_interval():
    own = Interval(0.7, 0.6, 0.8)
    verdicts = [judge(Interval(0.02, low, high), own, "cox", 0.95) for low, high in ((0.01, 0.03), (-0.1, 0.1))]
    assert [helps for helps, _ in verdicts] == ["yes", "undecided"]
    assert "0.700 against 0.680, difference +0.020" in verdicts[1][1]
    helps, words = judge(Interval(-0.05, -0.1, -0.01), own, "cox", 0.95)
    assert helps == "no" and "Use the regression" in words


def test_a_bundle_without_refits_has_a_band_without_width(predictor):
    bundle = dataclasses.replace(predictor.bundle, refits=())
    found = SurvivalPredictor(bundle).predict(None, {"ef": 0.3})
    assert found.band == ""
    assert found.risks[0].low == found.risks[0].risk == found.risks[0].high


def test_every_figure_and_the_report_are_written_again(finished):
    shown = CliRunner().invoke(app, ["report", str(finished.path)], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert "Uno's C" in shown.output and "shuffled" in shown.output
    report = (finished.path / "report.html").read_text()
    assert report.count("<figure") == 3
    assert {path.stem for path in (finished.path / "figures").iterdir()} == {"risk_groups", "calibration", "models"}
