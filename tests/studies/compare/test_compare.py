"""A comparison from end to end: its files agree, and it resumes."""

import csv
import dataclasses
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from tests.studies.conftest import page_settings

from cardiograph.cli.app import main
from cardiograph.containers import Groups
from cardiograph.errors import CohortError, ConfigError, RunError
from cardiograph.inline_scripts import report_script
from cardiograph.studies.compare import compare as study
from cardiograph.studies.compare.compare import compare
from cardiograph.studies.compare.folds import fold_split
from cardiograph.studies.compare.options import CompareOptions, CompareRequest, options_of
from cardiograph.studies.shared_cohort import SharedCohort

SMALL = CompareOptions(
    models=("default", "logistic", "knn_vote"), folds=2, repeats=1, scarcity=True, missingness=True, workers=1
)


def values_settings(**changes):
    return page_settings(cohort={"positive": []}, **changes)


@pytest.fixture(scope="session")
def compared(values_table, tmp_path_factory):
    """A comparison on the table of values, and its folder."""
    out = tmp_path_factory.mktemp("compares") / "values"
    return compare(values_table, out, values_settings(), SMALL, command="cardiograph compare values.csv"), out


@pytest.fixture
def counted(monkeypatch):
    """Which fits are made."""
    made = []
    make = study._run_task
    monkeypatch.setattr(study, "_run_task", lambda fold_data, task: made.append(task) or make(fold_data, task))
    return made


def without_clock(result):
    """What a comparison says, less seconds and memory."""
    content = result.as_dict()
    for row in content["rows"]:
        del row["seconds"], row["peak_mib"]
    return content


def test_the_files_agree(compared):
    result, out = compared
    content = json.loads((out / "compare.json").read_text())
    assert content["rows"][0]["scores"]["auroc"]["value"] == result.rows[0].scores["auroc"].value
    lines = list(csv.DictReader((out / "leaderboard.csv").read_text().splitlines()))
    line = next(each for each in lines if (each["model"], each["metric"]) == ("logistic", "auroc"))
    row = next(row for row in result.rows if row.model == "logistic")
    assert float(line["value"]) == row.scores["auroc"].value
    assert len(list(csv.DictReader((out / "scarcity.csv").read_text().splitlines()))) == 5 * 4
    for name in ("settings", "differences", "verdicts", "missingness"):
        assert (out / f"{name}.csv").exists()
    for name in ("leaderboard", "scarcity", "missingness"):
        assert (out / f"{name}.svg").read_text().startswith("<?xml")
    assert json.loads((out / "run.json").read_text())["status"] == "finished"


def test_the_page_is_one_file_that_names_models_and_verdict(compared):
    result, out = compared
    page = (out / "compare.html").read_text()
    assert page.count("<section") == page.count("</section>") == 9
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("<script") == 1 and report_script() in page
    assert "cardiograph compare values.csv" in page
    assert result.verdict.sentence.split("AUROC")[0] in page
    for row in result.rows:
        assert row.title in page


def test_an_unused_split_and_few_folds_give_notes(compared):
    notes = " ".join(compared[0].notes)
    assert "it is not used here" in notes
    assert "Few folds" in notes


def test_nothing_blanked_is_the_plain_comparison(compared):
    result = compared[0]
    default = next(row for row in result.rows if row.model == "default")
    assert result.missingness[0].default == default.scores["auroc"]
    assert result.missingness[0].changes == result.differences[0].changes
    assert [point.labelled for point in result.scarcity] == sorted(point.labelled for point in result.scarcity)


def test_a_killed_comparison_resumes_with_equal_results(compared, values_table, tmp_path, counted, monkeypatch):
    keep = study.TrialLog.keep

    def killed(self, key, scores, about):
        if len(self.known) == 7:
            raise KeyboardInterrupt
        keep(self, key, scores, about)

    with monkeypatch.context() as broken:
        broken.setattr(study.TrialLog, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            compare(values_table, tmp_path / "out", values_settings(), SMALL)
    assert not (tmp_path / "out" / "compare.json").exists()
    counted.clear()
    found = compare(values_table, tmp_path / "out", values_settings(), SMALL)
    everything = len((compared[1] / "fits.jsonl").read_text().splitlines())
    assert len(counted) == everything - 7
    assert without_clock(found) == without_clock(compared[0])


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory):
    """Table of 60 patients in three classes, which the ejection fraction tells apart in part."""
    rng = np.random.default_rng(0)
    label = np.arange(60) % 3
    ef = np.clip(rng.normal(0.3 + 0.15 * label, 0.1), 0.1, 0.8).round(3)
    table = pd.DataFrame({"patient_id": [f"p{n}" for n in range(60)], "ef": ef, "age": rng.integers(40, 80, 60)})
    path = tmp_path_factory.mktemp("classes") / "classes.csv"
    table.assign(label=np.array(["block", "infarct", "normal"])[label], split="train").to_csv(path, index=False)
    return path


def test_several_classes_are_compared_by_macro_scores(three_classes, tmp_path):
    options = CompareOptions(models=("default", "logistic", "knn_vote"), folds=2, repeats=1, workers=1)
    settings = values_settings(model={"name": "knn_vote"}, outcome={"name": "diagnosis"})
    result = compare(three_classes, tmp_path / "out", settings, options)
    assert result.facts.classes == {"block": 20, "infarct": 20, "normal": 20} and result.facts.positive is None
    lines = (tmp_path / "out" / "fits.jsonl").read_text().splitlines()
    fits = [json.loads(line) for line in lines]
    truth = pd.read_csv(three_classes)["label"].map({"block": 0, "infarct": 1, "normal": 2}).to_numpy()
    dataset = SharedCohort(three_classes, settings, None, pool=None, any_outcome=True).cohort
    assert dataset.outcome == "diagnosis"
    aurocs = []
    for place in ((0, 0), (0, 1)):
        (fit,) = (each for each in fits if each["model"] == "logistic" and each["place"] == list(place))
        test = fold_split(truth, Groups(np.arange(60)), 2, place, seed=settings.seed).rows("test")
        aurocs.append(roc_auc_score(truth[test], fit["scores"]["probabilities"], multi_class="ovr"))
    row = next(row for row in result.rows if row.model == "logistic")
    assert row.scores["auroc"].value == pytest.approx(np.mean(aurocs))
    assert list(row.scores) == ["auroc", "auprc", "brier", "log_loss", "balanced_accuracy"]
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "Macro AUROC" in page and "20 infarct" in page and "net benefit" not in page.lower()
    assert "The label has 3 classes" in result.notes[0]


def test_several_classes_have_no_net_benefit_and_no_delong_test(three_classes, tmp_path):
    for changes, option in (({"thresholds": (0.4,)}, "--net-benefit-at"), ({"own_split": True}, "--own-split")):
        options = CompareOptions(models=("default", "logistic"), workers=1, **changes)
        with pytest.raises(ConfigError, match=rf"{option}: .* 3 classes"):
            compare(three_classes, tmp_path / option, values_settings(), options)


@pytest.mark.exhaustive
def test_more_repeats_add_to_what_is_there(values_table, tmp_path, counted):
    options = CompareOptions(models=("default", "logistic"), folds=2, repeats=1, workers=1)
    compare(values_table, tmp_path / "out", values_settings(), options)
    first = len(counted)
    compare(values_table, tmp_path / "out", values_settings(), dataclasses.replace(options, repeats=2))
    assert {task.place[0] for task in counted[first:]} == {1}
    assert len(counted) == 2 * first


def test_another_configuration_in_the_folder_is_refused(compared, values_table):
    with pytest.raises(RunError, match=r"graph\.k"):
        compare(values_table, compared[1], values_settings(graph={"k": 3}), SMALL)


def test_the_own_split_needs_one_record_of_each_group_and_whole_groups(values_table, page_table, tmp_path):
    options = CompareOptions(models=("default", "logistic"), own_split=True, workers=1)
    with pytest.raises(ConfigError, match=r"--own-split: the test part has 18 records in 12 groups"):
        compare(values_table, tmp_path / "a", values_settings(), options)
    table = pd.read_csv(values_table)
    table.drop(columns="split").to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(ConfigError, match="no column `split`"):
        compare(tmp_path / "none.csv", tmp_path / "b", values_settings(), options)
    torn = table.copy()
    torn.loc[60, "split"] = "test" if torn.loc[60, "split"] != "test" else "train"
    torn.to_csv(tmp_path / "torn.csv", index=False)
    with pytest.raises(CohortError, match=r"1 group\(s\).*both"):
        compare(tmp_path / "torn.csv", tmp_path / "c", values_settings(), options)
    table.iloc[:60].to_csv(tmp_path / "one.csv", index=False)
    found = compare(tmp_path / "one.csv", tmp_path / "d", values_settings(), options)
    assert found.differences[0].p is not None
    assert math.isfinite(found.verdict.change.low)
    assert math.isnan(found.rows[0].scores["brier"].low)


def test_a_default_without_edges_has_no_graph_to_judge(values_table, tmp_path):
    options = CompareOptions(models=("default", "knn_vote"), folds=2, repeats=1, workers=1)
    found = compare(values_table, tmp_path / "out", values_settings(model={"name": "logistic"}), options)
    assert found.verdict.helps == "no graph"
    assert found.verdict.edges is None


def test_simulated_values_are_not_compared_on(page_table, cheap_encoder, tmp_path):
    with pytest.raises(ConfigError, match=r"clinical\.simulate is 'blind'"):
        compare(page_table, tmp_path / "out", page_settings(clinical={"simulate": "blind"}), SMALL)


def test_a_folder_inside_the_cohort_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is inside"):
        compare(tmp_path, tmp_path / "out", values_settings(), SMALL)


@pytest.mark.parametrize(
    ("requested", "named"),
    [
        (CompareRequest(folds=1), "--folds 1: at least 2"),
        (CompareRequest(repeats=0), "--repeats 0: at least 1"),
        (CompareRequest(jobs=0), "--jobs 0: at least 1"),
        (CompareRequest(net_benefit_at="0.1,1"), r"--net-benefit-at 0\.1,1"),
        (CompareRequest(net_benefit_at="low"), "--net-benefit-at low"),
        (CompareRequest(models="x,mlp"), "--models x,mlp"),
    ],
)
def test_options_that_make_no_sense_are_refused(requested, named):
    with pytest.raises(ConfigError, match=named):
        options_of(requested)


def test_own_split_and_folds_contradict_each_other():
    with pytest.raises(ConfigError, match="leave out --folds"):
        options_of(CompareRequest(folds=3), own_split=True)


def test_quick_is_one_repeat_of_fewer_models():
    quick, full = options_of(CompareRequest(), quick=True), options_of(CompareRequest())
    assert (quick.repeats, full.repeats) == (1, 5)
    assert set(quick.models) < set(full.models)
    assert options_of(CompareRequest(repeats=3), quick=True).repeats == 3
    assert options_of(CompareRequest(net_benefit_at="0.3,0.05")).thresholds == (0.05, 0.3)


def test_the_command_shows_tables_or_json(values_table, tmp_path, capsys):
    config = tmp_path / "fast.toml"
    config.write_text("[model]\nwidth = 16\nepochs = 12\npatience = 12\n")
    command = ["compare", str(values_table), "--out", str(tmp_path / "out"), "--config", str(config), "--jobs", "1"]
    command += ["--models", "logistic", "--folds", "2", "--repeats", "1"]
    with pytest.raises(SystemExit) as done:
        main(command)
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert "leaderboard" in shown
    assert "compare.html" in shown
    with pytest.raises(SystemExit):
        main([*command, "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["facts"]["folds"] == 2
    assert content["verdicts"][0]["modality"] == "clinical"


@pytest.mark.slow
@pytest.mark.exhaustive
def test_processes_come_to_the_figures_of_one(compared, values_table, tmp_path):
    found = compare(values_table, tmp_path / "out", values_settings(), dataclasses.replace(SMALL, workers=2))
    assert without_clock(found) == without_clock(compared[0])


@pytest.mark.slow
@pytest.mark.exhaustive
def test_pages_are_compared_and_choose_components(page_table, cheap_encoder, tmp_path):
    options = CompareOptions(models=("default", "gcn", "logistic", "boosting"), folds=2, repeats=1, workers=1)
    found = compare(page_table, tmp_path / "out", page_settings(model={"epochs": 3}), options)
    assert found.facts.modalities == ("image",)
    assert found.facts.weights == "random"
    logistic = next(row for row in found.rows if row.model == "logistic")
    assert all("image_components" in words for words in logistic.settings)
    assert [each.model for each in found.differences] == ["default", "gcn"]
