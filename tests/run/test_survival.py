"""A run with a time-to-event outcome, from the table to the report and the curve of a patient."""

import dataclasses
import json
import re

import numpy as np
import pytest
from tests.run.survival_cohort import SETTINGS, prepared_state, rows_of, write
from typer.testing import CliRunner

import cardiograph as cg
from cardiograph.artifacts.run import RunDirectory
from cardiograph.audit import checks
from cardiograph.audit.late import check_late
from cardiograph.cli.app import app
from cardiograph.config import load_config
from cardiograph.errors import CohortError, ConfigError, RunError
from cardiograph.inference import Predictor
from cardiograph.inference.survival import SurvivalPredictor, load_predictor
from cardiograph.inference.table import score_table
from cardiograph.report.survival_figures import risk_groups
from cardiograph.report.survival_tripod import survival_answers
from cardiograph.run import survival_report
from cardiograph.run.survival import horizons_of, run_survival
from cardiograph.stages import read_cohort
from cardiograph.survival.evaluation import judge
from cardiograph.survival.hazards import FollowUpFacts
from cardiograph.survival.outcome import SurvivalOutcome
from cardiograph.survival.scores import Interval


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


def test_the_card_and_the_checklist_name_outcome_numbers_and_sections(finished):
    card, tripod = ((finished.path / name).read_text() for name in ("model_card.md", "tripod_ai.md"))
    counts, c = finished.metrics.counts["test"], finished.metrics.test["uno_c"]
    assert "time to death, in days" in card and finished.metrics.verdict[:40] in card
    assert f"| {counts.records} | {counts.groups} | {counts.events} | {counts.competing} | {counts.censored} |" in card
    assert f"{c.value:.3f} ({c.low:.3f} to {c.high:.3f})" in card and not re.search(r"\bnan\b", card)
    assert f"{counts.records} test records, {counts.events} with the event" in tripod
    assert tripod.count("yours to write") > 15
    page = (finished.path / "report.html").read_text()
    headings = {"Summary", *re.findall(r"<h2>([^<]+)</h2>", page)}
    content = survival_report.read_content(RunDirectory(finished.path))
    for answer in survival_answers(content).values():
        for place in filter(None, answer.where.split(", ")):
            assert place in headings or re.fullmatch(r"[a-z_]+\.(md|json|parquet|toml)|bundle/", place), place


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


def test_a_horizon_beyond_the_follow_up_and_a_part_without_events_are_named(table, tmp_path):
    outcome = {**SETTINGS["outcome"], "horizons": [200, 5000]}
    with pytest.raises(ConfigError, match="5000 days is not before the last follow-up in train"):
        horizons_of(prepared_state(table, tmp_path / "run", {**SETTINGS, "outcome": outcome}))
    plain = {name: value for name, value in SETTINGS["outcome"].items() if name != "horizons"}
    chosen = horizons_of(prepared_state(table, tmp_path / "run", {**SETTINGS, "outcome": plain}))
    assert len(chosen) == 3 and list(chosen) == sorted(chosen)
    short = [row | ({"time": "2"} if row["split"] == "test" else {}) for row in rows_of()]
    with pytest.raises(ConfigError, match=r"not before the last follow-up in test \(2\)"):
        horizons_of(
            prepared_state(write(tmp_path / "short.csv", short), tmp_path / "run", {**SETTINGS, "outcome": plain})
        )
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
