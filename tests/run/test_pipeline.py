"""Cohorts of every kind go through; errors in one are reported before training."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cardiograph.config import load_config
from cardiograph.errors import AuditError, CohortError, ConfigError, PageError, WeightsError
from cardiograph.inference import Predictor
from cardiograph.run.pipeline import run


@pytest.fixture
def frame(cohort_table):
    """The synthetic cohort with absolute pages, as a table to change; labels as in the cohort."""
    table = pd.read_csv(cohort_table, dtype={"label": "Int64"})
    table["ecg"] = [str(cohort_table.parent / page) for page in table["ecg"]]
    return table


@pytest.fixture
def learn(tmp_path, settings):
    """Run on a changed table."""

    def learn(table, **sections):
        path = tmp_path / "cohort.csv"
        if isinstance(table, Path):
            path = table
        else:
            table.to_csv(path, index=False)
        short = {"model": {"epochs": 20, "patience": 5, "baselines": ["logistic"]}}
        merged = {**settings, **short, **sections}
        return run(path, tmp_path / "run", load_config(None, merged)).path

    return learn


def facts(run_folder):
    return json.loads((run_folder / "run.json").read_text())


def test_image_only(frame, learn):
    folder = learn(frame[["record_id", "patient_id", "ecg", "label"]])
    result = json.loads((folder / "metrics.json").read_text())
    assert result["provenance"] == "measured"
    assert facts(folder)["fusion"]["shares"] == {"image": 1.0}
    assert Predictor.load(folder).predict(frame["ecg"][0]).neighbours[0].clinical == {}


def test_clinical_values_simulated_from_the_label_are_a_simulator_check(frame, learn):
    folder = learn(frame[["record_id", "patient_id", "ecg", "label"]], clinical={"simulate": "label"})
    assert json.loads((folder / "metrics.json").read_text())["provenance"] == "simulated from the label"
    report = (folder / "report.html").read_text()
    assert "Simulator check" in report
    assert "heart failure" not in report.lower()
    assert facts(folder)["fusion"]["shares"]["clinical"] == pytest.approx(0.5)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_clinical_values_simulated_blind_say_so(frame, learn):
    folder = learn(frame[["record_id", "patient_id", "ecg", "label"]], clinical={"simulate": "blind"})
    assert json.loads((folder / "metrics.json").read_text())["provenance"] == "simulated blind to the label"


@pytest.mark.slow
def test_a_folder_per_class(frame, learn, tmp_path):
    for label, name in ((0, "healthy"), (1, "sick")):
        (tmp_path / "pages" / name).mkdir(parents=True)
        for page in frame.loc[frame["label"] == label, "ecg"]:
            shutil.copy(page, tmp_path / "pages" / name)
    folder = learn(tmp_path / "pages", cohort={"positive": ["sick"]}, outcome="sick heart")
    cohort = pd.read_parquet(folder / "cohort.parquet")
    assert set(cohort["class_name"]) == {"healthy", "sick"}
    assert (cohort["label"] == (cohort["class_name"] == "sick")).all()
    assert "sick heart" in (folder / "report.html").read_text()


def test_bad_pages_stop_the_run_and_are_all_listed(frame, learn, tmp_path):
    good = Path(frame["ecg"][0]).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(good[: len(good) // 2])
    (tmp_path / "notes.jpg").write_bytes(b"PK\x03\x04 a zip file")
    Image.new("RGB", (800, 600), "white").save(tmp_path / "blank.png")
    Image.new("RGB", (99, 100), "white").save(tmp_path / "small.png")
    bad = ["cut.jpg", "notes.jpg", "blank.png", "small.png", "gone.jpg"]
    frame.loc[: len(bad) - 1, "ecg"] = [str(tmp_path / name) for name in bad]
    with pytest.raises(PageError, match=r"pages of 5 of \d+ records cannot be used.*--skip-bad-pages") as caught:
        learn(frame)
    codes = {issue.where.rsplit("/", 1)[1].split()[0]: issue.code for issue in caught.value.issues}
    assert codes["cut.jpg"] == "truncated"
    assert codes["blank.png"] == "blank"
    assert codes["small.png"] == "too_small"
    assert codes["gone.jpg"] == "missing"
    assert set(codes) == set(bad)

    shutil.rmtree(tmp_path / "run")
    folder = learn(frame, pages={"skip_bad": True})
    assert len(pd.read_parquet(folder / "cohort.parquet")) == len(frame) - 5
    report = (folder / "report.html").read_text()
    assert all(name in report for name in bad)
    assert len(facts(folder)["skipped"]) == 5


def test_pages_without_a_grid_name_the_way_out(frame, learn, tmp_path):
    rng = np.random.default_rng(0)
    photograph = np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((100, 100, 1))).astype(np.uint8)
    Image.fromarray(photograph).save(tmp_path / "cat.png")
    frame.loc[0, "ecg"] = str(tmp_path / "cat.png")
    with pytest.raises(PageError) as caught:
        learn(frame)
    assert caught.value.issues[0].code == "no_grid"
    assert "--page whole" in caught.value.issues[0].remedy


def test_copies_of_a_page_never_part(frame, learn):
    doubled = pd.concat(
        [frame, frame.assign(record_id=frame["record_id"] + "-copy", patient_id=frame["patient_id"] + "x")]
    )
    folder = learn(doubled)
    split = pd.read_parquet(folder / "split.parquet").set_index("record_id")["part"]
    for record in frame["record_id"]:
        assert split[record] == split[f"{record}-copy"]
    assert facts(folder)["split"]["links"]["same pixels"] > 0
    neighbours = pd.read_parquet(folder / "neighbours.parquet")
    group = pd.read_parquet(folder / "split.parquet").set_index("record_id")["group"]
    assert (group[neighbours["record_id"]].to_numpy() != group[neighbours["neighbour"]].to_numpy()).all()


@pytest.mark.slow
def test_a_given_split_is_honoured_and_checked(frame, learn, finished_run, tmp_path):
    drawn = pd.read_parquet(finished_run / "split.parquet").set_index("record_id")["part"]
    frame = frame.assign(split=drawn[frame["record_id"]].to_numpy()).drop(columns="ecg")
    folder = learn(frame)
    assert facts(folder)["split"]["source"] == "given"
    used = pd.read_parquet(folder / "split.parquet").set_index("record_id")["part"]
    assert (used[frame["record_id"]].to_numpy() == frame["split"]).all()

    twice = frame[frame["patient_id"].duplicated(keep=False)].index[0]
    frame.loc[twice, "split"] = "test" if frame["split"][twice] != "test" else "train"
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(AuditError) as caught:
        learn(frame)
    assert [issue.code for issue in caught.value.issues] == ["split_parts_groups"]
    assert not (tmp_path / "run" / "run.json").exists()

    accepted = learn(frame, audit={"accept": ["split_parts_groups"]})
    assert facts(accepted)["cautions"][0].startswith("Accepted: ")
    assert "Accepted: " in (accepted / "report.html").read_text()


@pytest.mark.slow
def test_unlabelled_records_are_neighbours_unless_their_group_is_tested(frame, learn):
    second = frame["patient_id"].duplicated()
    frame.loc[second, "label"] = pd.NA
    folder = learn(frame)
    split = pd.read_parquet(folder / "split.parquet")
    unlabelled = split[split["record_id"].isin(frame["record_id"][second])]
    assert set(unlabelled["part"]) <= {"train", "excluded"}
    assert {"train", "excluded"} == set(unlabelled["part"])
    assert any("records are unlabelled" in note for note in facts(folder)["notes"])
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert not set(predictions["record_id"]) & set(unlabelled["record_id"])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["weights", "augment"])
@pytest.mark.exhaustive
def test_balancing_touches_training_records_only(frame, learn, finished_run, mode):
    folder = learn(frame, balance={"mode": mode})
    plain = pd.read_parquet(finished_run / "split.parquet")
    assert pd.read_parquet(folder / "split.parquet")["part"].equals(plain["part"])
    assert facts(folder)["reference"] == facts(finished_run)["reference"]
    result = " ".join(facts(folder)["notes"])
    assert ("augmented copies" if mode == "augment" else "the loss weighs classes") in result
    assert (facts(folder)["copies"] > 0) == (mode == "augment")


def test_what_was_filled_in_is_reported(finished_run):
    notes = facts(finished_run)["notes"]
    assert any(note.startswith("bnp is missing in") and "median" in note for note in notes)
    assert "bnp is missing in" in (finished_run / "report.html").read_text()


def test_the_ceiling_of_a_synthetic_cohort_is_reported(finished_run):
    ceiling = facts(finished_run)["ceiling"]
    assert 0.7 < ceiling["bayes_auroc"] <= 1
    assert 0.90 < ceiling["population_auroc"] < 0.94
    assert "synthetic benchmark" in (finished_run / "report.html").read_text().lower()


def test_the_report_is_one_file_that_needs_no_network(finished_run):
    import re

    report = (finished_run / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|\#)""", report)
    assert not re.findall(r"url\((?!data:|\#)", report)
    assert re.findall(r"<script[^>]*>", report) == [
        "<script>",
        '<script type="application/json" id="patient-map-content">',
        "<script>",
    ]
    assert not re.search(r"fetch\(\s*[\"'`]|XMLHttpRequest|import\(|sendBeacon|WebSocket", report)


def test_run_files_hold_no_pickle(finished_run):
    suffixes = {path.suffix for path in finished_run.rglob("*") if path.is_file()}
    assert suffixes <= {
        "",
        ".svg",
        ".pdf",
        ".toml",
        ".parquet",
        ".safetensors",
        ".json",
        ".jsonl",
        ".html",
        ".md",
        ".png",
        ".xml",
        ".bin",
    }


def test_missing_weights_stop_before_pages_are_read(frame, learn):
    with pytest.raises(WeightsError, match=r"nowhere\.pth"):
        learn(frame, encoder={"weights": "nowhere.pth"})


def test_simulating_next_to_measured_values_is_refused(frame, learn):
    with pytest.raises(ConfigError, match="--modality image"):
        learn(frame, clinical={"simulate": "label"})


@pytest.mark.slow
def test_the_uci_cohort_runs_with_its_example_settings(shared, tmp_path):
    import tomllib

    example = tomllib.loads((Path(__file__).parents[2] / "configs" / "uci.toml").read_text())
    example |= {"evaluation": {"bootstrap": 100}, "model": {"epochs": 40}}
    table = shared / "data" / "uci-heart-failure" / "heart_failure_clinical_records.csv"
    result = run(table, tmp_path / "uci", load_config(None, example)).metrics
    assert result.provenance == "measured"
    assert result.test["auroc"].value > 0.5
    assert result.counts.test.records == 60


def test_a_run_inside_a_folder_cohort_is_refused(tmp_path):
    (tmp_path / "cohort" / "sick").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is inside the cohort"):
        run(tmp_path / "cohort", tmp_path / "cohort" / "run")


def test_a_cohort_that_cannot_be_split_leaves_the_folder_free(learn, tmp_path):
    table = pd.DataFrame({"patient_id": ["p"] * 8, "label": [0, 1] * 4, "ef": np.linspace(0.2, 0.6, 8)})
    with pytest.raises(CohortError):
        learn(table)
    assert not (tmp_path / "run" / "run.json").exists()


def test_noise_with_every_row_three_times_does_not_look_like_knowledge(learn):
    rng = np.random.default_rng(1)
    names = ("ef", "bnp", "sbp")
    table = pd.DataFrame(dict(zip(names, rng.random((3, 80)), strict=True)))
    table = table.assign(ef=0.2 + 0.5 * table["ef"], bnp=20 + 500 * table["bnp"], sbp=90 + 80 * table["sbp"])
    table["label"] = rng.integers(0, 2, 80)
    folder = learn(pd.concat([table] * 3), model={"epochs": 60, "patience": 15})
    assert facts(folder)["split"]["links"]["same values"] == 160
    result = json.loads((folder / "metrics.json").read_text())
    assert result["test"]["auroc"]["low"] < 0.5 < result["test"]["auroc"]["high"]


def test_patients_to_be_scored_need_neither_label_nor_every_column(shared, tmp_path):
    import tomllib

    from cardiograph.inference.table import score_table

    example = tomllib.loads((Path(__file__).parents[2] / "configs" / "uci.toml").read_text())
    example |= {"evaluation": {"bootstrap": 100}, "model": {"epochs": 20}}
    source = shared / "data" / "uci-heart-failure" / "heart_failure_clinical_records.csv"
    run(source, tmp_path / "uci", load_config(None, example))
    pd.read_csv(source).head(4).drop(columns=["Death_Event", "Ejection_Fraction"]).to_csv(
        tmp_path / "new.csv", index=False
    )
    answers = score_table(tmp_path / "uci", tmp_path / "new.csv")
    assert answers["probability"].between(0, 1).all()
    assert answers["warnings"].str.contains("not given: ef").all()


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_run_hands_what_it_reads_to_the_encoder_and_lets_go_of_it(frame, learn, monkeypatch, tmp_path):
    from cardiograph.ingest import embed
    from cardiograph.ingest.context import InputStore

    def never(path, *_):
        raise AssertionError(path)

    cleared = []
    monkeypatch.setattr(InputStore, "clear", lambda store: cleared.append(len(store)))
    monkeypatch.setattr(embed, "read_view", never)
    monkeypatch.setenv("CARDIOGRAPH_CACHE", str(tmp_path / "cache"))
    folder = learn(frame)
    assert cleared == [frame["ecg"].nunique()]
    assert set(facts(folder)["images_per_second"]) == {"reading ECGs", "embedding pages"}
