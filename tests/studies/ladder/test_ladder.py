"""A ladder from end to end: its numbers are those of its trials, its files agree, and it resumes."""

import csv
import dataclasses
import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from tests.studies.conftest import page_settings

from cardiograph.cli.app import main
from cardiograph.errors import ConfigError, RunError
from cardiograph.inline_scripts import report_script
from cardiograph.studies.ladder import ladder, trials
from cardiograph.studies.ladder.figure import staircase, staircase_png
from cardiograph.studies.ladder.ladder import LadderOptions, run_ladder
from cardiograph.studies.ladder.report import ladder_lines
from cardiograph.studies.shared_cohort import TrialMetrics

OPTIONS = LadderOptions(seeds=2, workers=1)


def values_settings(**changes):
    return page_settings(cohort={"positive": []}, **changes)


@pytest.fixture(scope="session")
def finished_ladder(values_table, tmp_path_factory):
    """A ladder on the table of values, and its folder."""
    out = tmp_path_factory.mktemp("ladders") / "values"
    return run_ladder(values_table, out, values_settings(), OPTIONS, command="cardiograph ladder values.csv"), out


@pytest.fixture
def counted(monkeypatch):
    """Which trials are made."""
    made = []
    make = trials._run_trial
    monkeypatch.setattr(
        trials, "_run_trial", lambda shared_cohort, trial: made.append(trial) or make(shared_cohort, trial)
    )
    return made


def test_means_differences_and_intervals_are_those_of_the_trials(finished_ladder):
    result, out = finished_ladder
    lines = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    scores = {}
    for line in lines:
        scores.setdefault(line["step"], {})[line["seed"]] = line["scores"]["auroc"]
    rows = {row.name: row for row in result.ladders[0].rows}
    for name in ("thesis", "simulated_from_label", "duplicates_across_split"):
        expected = np.array([scores[f"ladder clinical {name}"][seed] for seed in (42, 43)])
        assert rows[name].scores["auroc"].value == pytest.approx(expected.mean())
    before, after = (
        np.array([scores[f"ladder clinical {name}"][seed] for seed in (42, 43)])
        for name in ("thesis", "simulated_from_label")
    )
    found = rows["simulated_from_label"].changes["auroc"]
    assert found.value == pytest.approx((after - before).mean())
    reach = t.ppf(0.975, 1) * np.std(after - before, ddof=1) * np.sqrt(1 / 2 + 0.20 / 0.64)
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))


def test_values_drawn_from_the_label_are_worth_what_they_are_known_to_be(finished_ladder):
    rows = {row.name: row for row in finished_ladder[0].alone[0].rows}
    assert rows["simulated_from_label"].scores["auroc"].value > 0.9
    assert rows["simulated_from_label"].changes["auroc"].value > 0


def test_a_row_that_was_not_run_has_no_figures_and_the_next_is_compared_with_the_last_that_was(finished_ladder):
    rows = list(finished_ladder[0].ladders[0].rows)
    left_out = [row for row in rows if row.why_not]
    assert left_out
    assert all(not row.scores and not row.changes and row.sentence.startswith("Not applicable") for row in left_out)
    ours = rows[-1]
    last = next(row for row in rows[-2::-1] if row.scores)
    expected = np.mean(ours.trials["auroc"]) - np.mean(last.trials["auroc"])
    assert ours.changes["auroc"].value == pytest.approx(expected)


def test_label_0_as_positive_class_is_described_with_the_swapped_numbers(finished_ladder):
    row = next(row for row in finished_ladder[0].ladders[0].rows if row.name == "positive_is_normal")
    before = next(row for row in finished_ladder[0].ladders[0].rows if row.name == "patient_in_validation_graph")
    first, second = (f"{before.scores[name].value:.2f}" for name in ("sensitivity", "specificity"))
    assert f"{first} and {second} would become {second} and {first}" in row.sentence


def test_two_seeds_give_a_note(finished_ladder):
    assert any("hardly mean anything" in note for note in finished_ladder[0].notes)
    assert any("brings its own split" in note for note in finished_ladder[0].notes)


def test_the_files_agree(finished_ladder):
    result, out = finished_ladder
    content = json.loads((out / "ladder.json").read_text())
    assert (
        content["ladders"][0]["rows"][0]["scores"]["auroc"]["value"] == result.ladders[0].rows[0].scores["auroc"].value
    )
    lines = list(csv.DictReader((out / "ladder.csv").read_text().splitlines()))
    first = next(line for line in lines if line["step"] == "thesis" and line["metric"] == "auroc")
    assert float(first["value"]) == result.ladders[0].rows[0].scores["auroc"].value
    assert any(line["not_run"] for line in lines)
    page = (out / "ladder.html").read_text()
    assert page.count("<section") == page.count("</section>") >= 8
    assert "cardiograph ladder values.csv" in page
    assert "https://" not in page
    assert page.count("<script") == 1 and report_script() in page
    for row in result.ladders[0].rows:
        assert row.title in page
    assert json.loads((out / "run.json").read_text())["status"] == "finished"


def test_the_figure_is_drawn_alike_each_time_and_names_every_step(finished_ladder):
    result, out = finished_ladder
    picture = staircase(result)
    assert picture.svg == staircase(result).svg == (out / "ladder.svg").read_text()
    text = "".join(ElementTree.fromstring(picture.svg).itertext())  # noqa: S314 - our own file
    for row in result.ladders[0].rows:
        assert row.title in text
    assert text.count("n/a") == 2 * sum(bool(row.why_not) for row in result.ladders[0].rows)
    assert staircase_png(result).startswith(b"\x89PNG")
    assert (out / "ladder.png").read_bytes().startswith(b"\x89PNG")


def test_names_of_the_cohort_are_escaped(finished_ladder, tmp_path):
    from cardiograph.artifacts.run import RunDirectory
    from cardiograph.studies.ladder.report import write_ladder

    result = dataclasses.replace(
        finished_ladder[0], facts=dataclasses.replace(finished_ladder[0].facts, cohort="<b>x</b>")
    )
    write_ladder(RunDirectory(tmp_path), result, {"command": "<i>", "data_hash": "0", "config_toml": ""})
    page = (tmp_path / "ladder.html").read_text()
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x" in page
    assert "<i>" not in page


@pytest.mark.exhaustive
def test_a_killed_ladder_resumes_with_equal_results(finished_ladder, values_table, tmp_path, counted, monkeypatch):
    keep = ladder.TrialLog.keep

    def killed(self, key, scores, about):
        if len(self.known) == 5:
            raise KeyboardInterrupt
        keep(self, key, scores, about)

    with monkeypatch.context() as broken:
        broken.setattr(ladder.TrialLog, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            run_ladder(values_table, tmp_path / "out", values_settings(), OPTIONS)
    assert not (tmp_path / "out" / "ladder.json").exists()
    counted.clear()
    found = run_ladder(values_table, tmp_path / "out", values_settings(), OPTIONS)
    everything = len((finished_ladder[1] / "trials.jsonl").read_text().splitlines())
    assert len(counted) == everything - 5
    assert found.as_dict() == finished_ladder[0].as_dict()


def test_a_finished_ladder_makes_nothing_again_and_more_seeds_add_to_it(
    finished_ladder, values_table, tmp_path, counted
):
    shutil.copytree(finished_ladder[1], tmp_path / "out")
    again = run_ladder(values_table, tmp_path / "out", values_settings(), OPTIONS)
    assert not counted
    assert list(ladder_lines(again)) == list(ladder_lines(finished_ladder[0]))
    more = run_ladder(values_table, tmp_path / "out", values_settings(), LadderOptions(seeds=3, workers=1))
    assert {trial.seed for trial in counted} == {44}
    assert more.facts.seeds == 3
    assert more.ladders[0].rows[0].trials["auroc"][:2] == again.ladders[0].rows[0].trials["auroc"]


def test_our_settings_are_tried_once_for_ladder_and_controls(finished_ladder):
    lines = [json.loads(line)["step"] for line in (finished_ladder[1] / "trials.jsonl").read_text().splitlines()]
    assert "control clinical ours" not in lines
    result = finished_ladder[0]
    assert result.controls.rows[0].trials == result.ladders[0].rows[-1].trials


def test_another_configuration_or_cohort_in_the_folder_is_refused(finished_ladder, values_table, tmp_path):
    with pytest.raises(RunError, match=r"graph\.k"):
        run_ladder(values_table, finished_ladder[1], values_settings(graph={"k": 3}), OPTIONS)
    other = tmp_path / "values.csv"
    other.write_text(values_table.read_text().replace("p0,", "q0,"))
    with pytest.raises(RunError, match="SHA-256"):
        run_ladder(other, finished_ladder[1], values_settings(), OPTIONS)


def test_a_folder_inside_the_cohort_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is inside"):
        run_ladder(tmp_path, tmp_path / "out", values_settings(), OPTIONS)


@pytest.mark.parametrize(
    ("options", "named"), [({"seeds": 1}, "--seeds 1"), ({"seeds": 2, "workers": 0}, "--workers 0")]
)
def test_an_extent_that_makes_no_sense_is_refused(options, named):
    with pytest.raises(ConfigError, match=named):
        LadderOptions.of(**{"quick": False, **options})


def test_quick_means_fewer_faults_and_copies_but_as_many_seeds():
    assert LadderOptions.of(None, quick=True) == LadderOptions(10, 64, quick=True)
    assert LadderOptions.of(4, quick=True).seeds == 4
    assert LadderOptions.of(None, quick=False) == LadderOptions(10, None)


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """A quick ladder with five seeds on values without information about the label, and its folder."""
    rng = np.random.default_rng(0)
    patient = np.concatenate([np.arange(150), np.arange(75)])
    table = pd.DataFrame({"patient_id": [f"p{number}" for number in patient], "label": patient % 2})
    table["ef"] = rng.uniform(0.2, 0.7, len(table)).round(3)
    table["age"] = rng.integers(30, 90, len(table))
    folder = tmp_path_factory.mktemp("quick")
    table.to_csv(folder / "noise.csv", index=False)
    options = LadderOptions.of(5, quick=True, workers=1)
    config = values_settings(model={"width": 32, "epochs": 60, "patience": 60})
    return run_ladder(folder / "noise.csv", folder / "out", config, options), folder / "out"


def test_a_quick_ladder_separates_values_drawn_from_the_label_from_chance(quick):
    result = quick[0]
    rows = {row.name: row for row in result.alone[0].rows}
    assert set(rows) == {"sound", "simulated_from_label", "duplicates_across_split"}
    assert rows["sound"].scores["auroc"].value == pytest.approx(0.5, abs=0.15)
    assert rows["simulated_from_label"].scores["auroc"].value > 0.9
    assert rows["simulated_from_label"].changes["auroc"].low > 0
    reading = " ".join(result.reading)
    assert "change AUROC beyond chance when added alone: Clinical values drawn from the label" in reading


def test_a_quick_ladder_says_that_it_tries_two_faults(quick):
    result, out = quick
    first = result.ladders[0].rows[0]
    assert first.title == "Published settings with the faults below"
    assert "every fault" not in first.sentence
    assert any("--quick" in note and "copies across the split" in note for note in result.notes)
    assert not any("hardly mean anything" in note for note in result.notes)
    page = (out / "ladder.html").read_text()
    assert "injects two of them on purpose" in " ".join(page.split())
    assert "all faults" not in page


def test_the_tables_of_a_ladder_fit_80_columns(finished_ladder, quick, capsys):
    from cardiograph.cli.studies import show_ladder

    for result, out in (finished_ladder, quick):
        classes = {"class_accuracy": result.ladders[0].rows[0].scores["auroc"]}
        blocks = [
            dataclasses.replace(
                block,
                rows=tuple(
                    dataclasses.replace(row, scores=row.scores | classes) if row.scores else row for row in block.rows
                ),
            )
            for block in result.ladders
        ]
        show_ladder(dataclasses.replace(result, ladders=tuple(blocks)), out)
        content = capsys.readouterr().out
        tables = content.partition("\n- ")[0]
        assert "class acc." in tables
        assert "…" not in tables
        assert max(map(len, tables.splitlines())) <= 80
        for row in result.ladders[0].rows:
            if "auroc" in row.changes:
                found = row.changes["auroc"]
                assert f"{found.value:+.3f} ({found.low:+.2f} to {found.high:+.2f})" in tables


def test_the_command_shows_tables_or_json(values_table, tmp_path, capsys):
    config = tmp_path / "fast.toml"
    config.write_text("[model]\nwidth = 16\nepochs = 12\npatience = 12\n")
    command = ["ladder", str(values_table), "--out", str(tmp_path / "out"), "--config", str(config), "--workers", "1"]
    with pytest.raises(SystemExit) as done:
        main([*command, "--quick", "--seeds", "2"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert "each fault alone" in shown
    assert "ladder.html" in shown
    with pytest.raises(SystemExit):
        main([*command, "--quick", "--seeds", "2", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["seeds"] == 2
    assert content["controls"]["rows"][1]["name"] == "permuted_labels"


@pytest.mark.slow
@pytest.mark.exhaustive
def test_processes_come_to_the_scores_of_one(finished_ladder, values_table, tmp_path):
    found = run_ladder(values_table, tmp_path / "out", values_settings(), LadderOptions(seeds=2, workers=2))
    for block, other in zip(
        found.ladders + found.alone, finished_ladder[0].ladders + finished_ladder[0].alone, strict=True
    ):
        for row, same in zip(block.rows, other.rows, strict=True):
            assert row.trials == same.trials


@pytest.mark.slow
@pytest.mark.exhaustive
def test_pages_give_both_ladders(page_table, cheap_encoder, tmp_path):
    found = run_ladder(page_table, tmp_path / "out", page_settings(model={"epochs": 3}), OPTIONS)
    assert [block.name for block in found.ladders] == ["image", "both"]
    assert found.ladders[0].metrics == ("auroc", "balanced_accuracy", "class_accuracy")
    assert found.facts.chance["class_accuracy"] == pytest.approx(20 / 30)
    assert not any(row.why_not for row in found.controls.rows)
    assert found.ladders[1].rows[1].changes["auroc"].value < 0  # values from the label are gone
    text = "".join(ElementTree.fromstring(staircase(found).svg).itertext())  # noqa: S314 - our own file
    assert "Class accuracy" in text


def test_a_metric_of_one_trial_only_is_left_out(finished_ladder):
    from cardiograph.studies.ladder.summary import _by_metric

    found = _by_metric([TrialMetrics(0.5, 0.5, 0.5, 0.5, 0.4), TrialMetrics(0.5, 0.5, 0.5, 0.5)])
    assert "class_accuracy" not in found
    assert found["auroc"].tolist() == [0.5, 0.5]
