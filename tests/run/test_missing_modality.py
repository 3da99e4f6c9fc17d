"""A cohort in which some records lack their page and others every clinical value: read, audited, learnt from, scored."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardiograph.cli.app import main
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import load_config
from cardiograph.errors import CohortError, ConfigError, InputError, PageError
from cardiograph.inference import Predictor, Query
from cardiograph.inference.table import score_table
from cardiograph.run.pipeline import run

VARIABLES = ["ef", "bnp", "nyha", "sbp", "age"]


def lacking(frame, pages=0.2, values=0.2, seed=5):
    """The table without some pages and, in other rows, without all values."""
    drawn = np.random.default_rng(seed).random(len(frame))
    frame = frame.copy()
    frame.loc[drawn < pages, "ecg"] = np.nan
    frame.loc[drawn > 1 - values, VARIABLES] = np.nan
    return frame


@pytest.fixture(scope="module")
def whole(cohort_table):
    table = pd.read_csv(cohort_table, dtype={"label": "Int64"})
    table["ecg"] = [str(cohort_table.parent / page) for page in table["ecg"]]
    return table


@pytest.fixture(scope="module")
def partial(whole):
    return lacking(whole)


@pytest.fixture(scope="module")
def short(settings):
    """Settings of a run with few models."""
    return {**settings, "model": {**settings["model"], "baselines": ["logistic", "gcn"]}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, partial, short):
    """A run on it."""
    folder = tmp_path_factory.mktemp("partial")
    partial.to_csv(folder / "cohort.csv", index=False)
    return run(folder / "cohort.csv", folder / "run", load_config(None, short)).path


@pytest.fixture(scope="module")
def predictor(finished):
    return Predictor.load(finished)


def query_of(row):
    values = {name: row[name] for name in VARIABLES if pd.notna(row[name])}
    return Query(None if pd.isna(row["ecg"]) else Path(row["ecg"]), values, row["record_id"], row["patient_id"])


def test_the_run_keeps_every_record_and_says_what_they_lack(finished, partial):
    kept = pd.read_parquet(finished / "cohort.parquet")
    assert list(kept["record_id"]) == list(partial["record_id"])
    gone = partial["ecg"].isna().to_numpy()
    assert ((kept["pixel_hash"] == "") == gone).all()
    blank = int(partial[VARIABLES].isna().all(axis=1).sum())
    absent = f"{gone.sum()} records have no page; {blank} records have no clinical values"
    note = f"{absent}: they are scored from the blocks that they have"
    assert note in json.loads((finished / "run.json").read_text())["notes"]
    assert note in (finished / "report.html").read_text()


def test_absent_pages_have_no_embedding_and_every_record_a_finite_score(finished, partial):
    from safetensors.numpy import load_file

    image = load_file(finished / "embeddings.safetensors")["image"]
    np.testing.assert_array_equal(np.isnan(image).all(1), partial["ecg"].isna())
    np.testing.assert_array_equal(np.isnan(image).any(1), partial["ecg"].isna())
    scores = pd.read_parquet(finished / "predictions.parquet")
    columns = [name for name in scores if name.startswith("probability_")]
    assert scores[columns].stack().between(0, 1).all()


def test_gaps_of_a_variable_are_counted_among_records_with_values(finished, partial):
    notes = json.loads((finished / "run.json").read_text())["notes"]
    some = partial[partial[VARIABLES].notna().any(axis=1)]
    for name in VARIABLES:
        gaps = int(some[name].isna().sum())
        assert any(note.startswith(f"{name} is missing in {gaps} records") for note in notes) == (gaps > 0), name


def test_the_audit_counts_pages_and_probes_what_is_missing(finished, partial):
    audit = json.loads((finished / "audit.json").read_text())
    assert audit["files"] == int(partial["ecg"].notna().sum())
    assert audit["records"] == len(partial)
    assert sum(each["files"] for each in audit["classes"].values()) == audit["files"]
    (gaps,) = [probe["name"] for probe in audit["probes"] if probe["name"].startswith("gaps")]
    assert gaps.endswith("and the ECG pages")
    by_name = {probe["name"]: probe["records"] for probe in audit["probes"]}
    labelled = partial["label"].notna() & partial["ecg"].notna()
    assert by_name["image files (size, format, compression, brightness)"] == int(labelled.sum())


def test_a_patient_is_scored_from_what_there_is(predictor, whole):
    row = whole.iloc[0]
    values = {name: row[name] for name in VARIABLES if pd.notna(row[name])}
    both, page, alone = (
        predictor.predict(row["ecg"], values),
        predictor.predict(row["ecg"]),
        predictor.predict(None, values),
    )
    assert (both.missing, page.missing, alone.missing) == ((), ("clinical",), ("image",))
    assert len({both.probability, page.probability, alone.probability}) == 3
    assert any("scored without clinical values" in warning for warning in page.warnings)
    assert any("scored without an ECG page" in warning for warning in alone.warnings)
    assert not any("median of the training records" in warning for warning in page.warnings)
    for answer in (both, page, alone):
        assert 0 <= answer.probability <= 1 and len(answer.neighbours) == 5
    with pytest.raises(InputError) as caught:
        predictor.predict()
    assert [issue.code for issue in caught.value.issues] == ["nothing_known"]


def test_a_table_gives_the_answers_that_each_patient_gets_alone(finished, predictor, partial, tmp_path):
    some = partial.head(12)
    some.drop(columns="label").to_csv(tmp_path / "new.csv", index=False)
    answers = score_table(finished, tmp_path / "new.csv")
    assert list(answers["record_id"]) == list(some["record_id"])
    for result, (_, row) in zip(answers.to_dict("records"), some.iterrows(), strict=True):
        (alone,) = predictor.predict_many([query_of(row)])
        assert result["probability"] == pytest.approx(alone.probability, abs=1e-5)
        assert result["missing"] == "; ".join(alone.missing)
        assert result["decision"] == alone.decision
    assert set(answers["missing"]) == {"", "image", "clinical"}


def test_the_run_s_own_scores_are_those_that_are_served(finished, predictor, partial):
    result = pd.read_parquet(finished / "predictions.parquet").set_index("record_id")
    rows = partial[partial["record_id"].isin(result.index)]
    answers = predictor.predict_many(query_of(row) for _, row in rows.iterrows())
    for record, answer in zip(rows["record_id"], answers, strict=True):
        assert answer.probability == pytest.approx(result.loc[record, "probability_sign"], abs=1e-5)


def test_patients_of_a_table_may_all_lack_the_page(finished, whole, tmp_path):
    for name, table in {"empty": whole.head(3).assign(ecg=""), "none": whole.head(3).drop(columns="ecg")}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        assert set(score_table(finished, tmp_path / f"{name}.csv")["missing"]) == {"image"}


def test_a_patient_of_a_table_without_any_input_is_not_scored(finished, whole, tmp_path):
    table = whole.head(3).copy()
    table.loc[1, ["ecg", *VARIABLES]] = np.nan
    table.to_csv(tmp_path / "new.csv", index=False)
    answers = score_table(finished, tmp_path / "new.csv")
    assert answers["probability"].isna().tolist() == [False, True, False]
    (issue,) = answers.attrs["issues"]
    assert issue.code == "nothing_known" and issue.where.startswith("row 3")


def test_the_terminal_shows_what_was_missing_and_json_has_no_nan(finished, whole, tmp_path, capsys):
    main_of("predict", finished, "--ef", "0.3", "--age", "70")
    output = capsys.readouterr().out
    assert "missing: the ECG page" in output
    assert "decision: " in output
    whole.head(2).assign(ecg="").to_csv(tmp_path / "new.csv", index=False)
    main_of("predict", finished, "--table", tmp_path / "new.csv", "--json")
    answers = json.loads(capsys.readouterr().out)["predictions"]
    assert [answer["missing"] for answer in answers] == ["image", "image"]
    assert all(answer["low"] is None or answer["low"] <= answer["probability"] <= answer["high"] for answer in answers)


def main_of(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        assert ended.code in (0, None)


def test_a_block_of_weight_0_leaves_nobody_without_any(partial, short, tmp_path):
    partial.to_csv(tmp_path / "cohort.csv", index=False)
    config = load_config(None, {**short, "fusion": {"image": 0.0}})
    with pytest.raises(ConfigError, match=r"records have no clinical value.*nothing but clinical values"):
        run(tmp_path / "cohort.csv", tmp_path / "run", config)


def test_pages_that_no_training_record_has_teach_nothing(whole, short, tmp_path):
    order = np.arange(len(whole)) % 4
    split = np.where(order == 0, "test", np.where(order == 1, "val", "train"))
    table = whole.assign(patient_id=whole["record_id"], split=split)
    table["ecg"] = table["ecg"].where(table["split"] != "train")
    table.to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(CohortError, match="no labelled training record has a page"):
        run(tmp_path / "cohort.csv", tmp_path / "run", load_config(None, {**short, "audit": {"accept": ALL}}))


ALL = ["split_parts_groups"]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_only_pages_are_copied(partial, short, tmp_path):
    partial.to_csv(tmp_path / "cohort.csv", index=False)
    config = load_config(None, {**short, "balance": {"mode": "augment"}})
    folder = run(tmp_path / "cohort.csv", tmp_path / "run", config).path
    assert json.loads((folder / "run.json").read_text())["copies"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("graph", [{"space": "clinical"}, {"metric": "cosine"}])
@pytest.mark.exhaustive
def test_other_spaces_take_them_too(partial, short, tmp_path, graph):
    partial.to_csv(tmp_path / "cohort.csv", index=False)
    folder = run(tmp_path / "cohort.csv", tmp_path / "run", load_config(None, {**short, "graph": graph})).path
    answer = Predictor.load(folder).predict(partial["ecg"].dropna().iloc[0])
    assert answer.missing == ("clinical",)
    assert 0 <= answer.probability <= 1


@pytest.mark.slow
def test_a_study_of_one_modality_keeps_all_records(partial, short, tmp_path, cache_folder):
    """Compared modalities are judged on the same patients: one without the block gets the answer for nobody known."""
    from cardiograph.artifacts.cache import PageCache
    from cardiograph.studies.faults.records import AugmentationPool
    from cardiograph.studies.faults.switches import Faults
    from cardiograph.studies.shared_cohort import SharedCohort

    partial.to_csv(tmp_path / "cohort.csv", index=False)
    config = load_config(None, short)
    with PageCache(cache_folder) as cache:
        shared_cohort = SharedCohort(tmp_path / "cohort.csv", config, cache, pool=AugmentationPool(0))
        for modality in ("image", "clinical", "both"):
            found = shared_cohort.fit_and_score(shared_cohort.settings(config, Faults(), modality, 1))
            assert 0 <= found.auroc <= 1


def surveyed(frame, tmp_path, cache_folder, **pages):
    from cardiograph.artifacts.cache import PageCache
    from cardiograph.ingest.context import RunContext
    from cardiograph.ingest.page_index import index_pages
    from cardiograph.progress import NoProgress

    frame.to_csv(tmp_path / "some.csv", index=False)
    config = load_config(None, {"pages": pages})
    cohort = read_cohort(tmp_path / "some.csv", config.cohort, outcome="x")
    with PageCache(cache_folder) as cache:
        return index_pages(cohort, RunContext(config, cache, NoProgress()))


def test_a_survey_has_a_row_for_each_record(whole, tmp_path, cache_folder):
    from cardiograph.config import RunConfig
    from cardiograph.imaging.hashing import near_copy_distance
    from cardiograph.ingest.groups import group_records
    from cardiograph.ingest.page_index import data_hash

    two_classes = whole.groupby("label").head(3).reset_index(drop=True).assign(patient_id=None)
    frame = two_classes.assign(ecg=two_classes["ecg"].where(two_classes.index.isin([1, 2, 4])))
    frame.loc[4, "ecg"] = frame.loc[2, "ecg"]
    cohort, page_index = surveyed(frame, tmp_path, cache_folder)
    assert page_index.paged.tolist() == [False, True, True, False, True, False]
    assert [each is None for each in page_index.pixel_hashes] == (~page_index.paged).tolist()
    distance = near_copy_distance(page_index.perceptual_hashes[0], page_index.perceptual_hashes)
    np.testing.assert_array_equal(distance, 1)  # like nothing, and like no other record without a page
    with pytest.raises(ValueError, match="record 3 has no page"):
        page_index.page(3)
    index = group_records(cohort, page_index, RunConfig()).index
    assert index[2] == index[4]
    assert len(np.unique(index)) == 5
    moved = frame.assign(ecg=frame["ecg"].iloc[[1, 0, 2, 3, 4, 5]].to_numpy())
    other = surveyed(moved, tmp_path, cache_folder)
    assert data_hash(*other) != data_hash(cohort, page_index)  # another record lacks the page


def test_a_bad_page_is_no_absent_page(whole, tmp_path, cache_folder):
    """An unreadable page is reported and its record left out, with values or without; a record without a page stays."""

    (tmp_path / "bad.jpg").write_bytes(b"not a picture")
    frame = whole.groupby("label").head(3).reset_index(drop=True)
    frame.loc[0, "ecg"], frame.loc[1, "ecg"] = np.nan, str(tmp_path / "bad.jpg")
    with pytest.raises(PageError, match="the pages of 1 of 6 records"):
        surveyed(frame, tmp_path, cache_folder)
    cohort, page_index = surveyed(frame, tmp_path, cache_folder, skip_bad=True)
    assert list(cohort.record_ids) == [name for row, name in enumerate(frame["record_id"]) if row != 1]
    assert page_index.paged.tolist() == [False, True, True, True, True]
