"""An extended run has more to lean on, changes nothing that was there, and says what is void."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.cli.app import main
from cardiograph.config import load_config
from cardiograph.errors import CohortError, ConfigError, PageError, RunError
from cardiograph.external.extend import extend_run
from cardiograph.graph.attach import group_members
from cardiograph.inference import Predictor, Queries, Query
from cardiograph.run.pipeline import run
from cardiograph.synthesis.cohort import write_cohort

VARIABLES = ["ef", "bnp", "nyha", "sbp", "age"]
COLUMNS = ["record_id", "patient_id", "label", "ecg", *VARIABLES]


def rows_of(table):
    """A cohort's first record of each patient, with absolute paths of the pages."""
    rows = pd.read_csv(table).drop_duplicates("patient_id", ignore_index=True)
    rows["ecg"] = [str(table.parent / page) for page in rows["ecg"]]
    return rows


def written(rows, folder, name="more.csv"):
    path = folder / name
    rows.to_csv(path, index=False)
    return path


def part_of_run(folder, part):
    cohort, split = (pd.read_parquet(folder / f"{name}.parquet") for name in ("cohort", "split"))
    return cohort[(split["part"] == part).to_numpy()][COLUMNS]


def codes(caught):
    return {issue.code for issue in caught.value.issues}


def as_queries(bundle, rows):
    """Reference records of a bundle as clinical queries of nobody that the reference knows."""
    return Queries(
        image=np.full((len(rows), 512), np.nan, np.float32),
        clinical=bundle.reference.clinical[rows],
        patient_ids=[None] * len(rows),
        pixel_hashes=[None] * len(rows),
        perceptual_hashes=[None] * len(rows),
    )


@pytest.fixture(scope="module")
def extended(finished_run, other_cohort, tmp_path_factory):
    return extend_run(finished_run, other_cohort, tmp_path_factory.mktemp("extended") / "more")


@pytest.fixture(scope="module")
def bundles(finished_run, extended):
    return ModelBundle.load(finished_run / "bundle"), ModelBundle.load(extended.path / "bundle")


@pytest.fixture(scope="module")
def further_cohort(tmp_path_factory):
    """A third cohort, of patients that neither of the others has."""
    table = write_cohort(tmp_path_factory.mktemp("further") / "cohort", patients=24, seed=12, workers=1)
    rows = pd.read_csv(table)
    rows["patient_id"], rows["record_id"] = "third " + rows["patient_id"], "third " + rows["record_id"]
    return written(rows, table.parent, "renamed.csv")


# What stays, and what comes in


def test_nothing_of_the_old_reference_changes(bundles):
    old, new = bundles[0].reference, bundles[1].reference
    count = len(old)
    for name in ("features", "present", "degree", "labels", "clinical", "groups", "perceptual_hashes"):
        assert getattr(new, name)[:count].tobytes() == getattr(old, name).tobytes(), name
    for before, after in zip(old.states, new.states, strict=True):
        assert after[:count].tobytes() == before.tobytes()
    for name in ("record_ids", "patient_ids", "pixel_hashes"):
        assert getattr(new, name)[:count] == getattr(old, name), name
    weights = zip(bundles[0].network.state_dict().values(), bundles[1].network.state_dict().values(), strict=True)
    assert all(before.equal(after) for before, after in weights)


def test_an_id_that_is_the_same_in_all_rows_is_pointed_out(finished_run, other_cohort, tmp_path):
    table = rows_of(other_cohort).assign(patient_id="same")
    facts = extend_run(finished_run, written(table, tmp_path), tmp_path / "same").facts
    count = len(table)
    assert f"one patient or page has {count} of the {count} new records; check the patient ids" in facts["notes"]
    assert any(note.startswith("not given: ef in ") for note in facts["notes"])


def test_records_that_are_linked_in_parts_get_the_same_neighbours(
    finished_run, other_cohort, bundles, tmp_path, monkeypatch
):
    monkeypatch.setattr("cardiograph.external.append_reference.LINKED_AT_ONCE", 7)
    extend_run(finished_run, other_cohort, tmp_path / "parts")
    found = ModelBundle.load(tmp_path / "parts" / "bundle").reference
    np.testing.assert_array_equal(found.degree, bundles[1].reference.degree)
    for here, there in zip(found.states, bundles[1].reference.states, strict=True):
        np.testing.assert_array_equal(here, there)


def test_every_record_of_the_cohort_comes_in_with_its_label(bundles, extended, other_cohort):
    rows, (old, new) = pd.read_csv(other_cohort), bundles
    count = len(old.reference)
    assert new.reference.labels[count:].tolist() == rows["label"].tolist()
    assert list(new.reference.record_ids[count:]) == rows["record_id"].tolist()
    np.testing.assert_array_equal(new.reference.clinical[count:], rows[VARIABLES].to_numpy(float))
    assert extended.facts["added"] == extended.facts["read"] == len(rows)
    assert extended.facts["reference"] == {"before": count, "after": count + len(rows)}


def test_the_states_of_a_new_record_come_from_its_neighbours(bundles, other_cohort):
    """By hand: means of the nearest old and new records of other groups, hop by hop, as ``sign`` aggregates them."""
    old, new = bundles[0].reference, bundles[1].reference
    assert bundles[1].served.model.name == "sign"
    values, count, k = new.features.astype(np.float64), len(old), bundles[1].served.graph.k
    own = group_members(new.groups, new.groups)
    means = np.vstack([old.states[1], np.zeros((len(new) - count, values.shape[1]))])
    for row in range(count, len(new)):
        squared = ((values - values[row]) ** 2).sum(1)
        squared[own[row]] = np.inf
        means[row] = values[np.argsort(squared, kind="stable")[:k]].mean(0)
        assert new.degree[row] == k + 1
    np.testing.assert_allclose(new.states[0], new.features, atol=0)
    np.testing.assert_allclose(new.states[1], means, atol=1e-5)


def test_a_query_far_from_the_new_records_is_answered_as_before(finished_run, extended, tmp_path):
    before, after = Predictor.load(finished_run), Predictor.load(extended.path)
    rows = np.arange(len(before.bundle.reference))
    first, second = (each.score(as_queries(before.bundle, rows)) for each in (before, after))
    same = (first.neighbours.index == second.neighbours.index).all(1)
    assert 0 < same.sum() < len(rows)
    np.testing.assert_array_equal(first.raw[same], second.raw[same])
    np.testing.assert_array_equal(first.neighbours.distance[same], second.neighbours.distance[same])


def test_a_query_near_a_new_record_hears_it(extended, other_cohort):
    rows, predictor = rows_of(other_cohort), Predictor.load(extended.path)
    values = {name: rows.loc[3, name] for name in VARIABLES}
    neighbours = [each.record_id for each in predictor.predict(rows.loc[3, "ecg"], values).neighbours]
    assert rows.loc[3, "record_id"] not in neighbours, "the page is known: its group is left out"
    neighbours = [each.record_id for each in predictor.predict(None, values).neighbours]
    assert rows.loc[3, "record_id"] == neighbours[0]


def test_the_share_that_votes_start_from_is_the_old_one(finished_run, other_cohort, further_cohort, bundles, tmp_path):
    positive = rows_of(other_cohort).assign(label=1)
    made = extend_run(finished_run, written(positive, tmp_path), tmp_path / "out")
    old = bundles[0].reference.labels
    expected = ((old == 1).sum() + 1) / ((old >= 0).sum() + 2)
    assert ModelBundle.load(made.path / "bundle").served.prior == pytest.approx(expected, abs=0)
    again = extend_run(made.path, written(rows_of(further_cohort), tmp_path, "third.csv"), tmp_path / "two")
    assert ModelBundle.load(again.path / "bundle").served.prior == pytest.approx(expected, abs=0)


# Groups


def test_a_new_record_joins_the_group_of_its_patient_and_of_its_page(finished_run, other_cohort, bundles, tmp_path):
    train = part_of_run(finished_run, "train").reset_index(drop=True)
    rows = rows_of(other_cohort).head(6)
    rows.loc[0, "patient_id"] = train.loc[0, "patient_id"]
    rows.loc[1, "patient_id"] = train.loc[0, "patient_id"]
    rows.loc[2, "ecg"] = train.loc[4, "ecg"]
    made = extend_run(finished_run, written(rows[COLUMNS], tmp_path), tmp_path / "out")
    assert made.facts["joined"] == 3
    reference = ModelBundle.load(made.path / "bundle").reference
    group = dict(zip(reference.record_ids, reference.groups.tolist(), strict=True))
    names = rows["record_id"].tolist()
    assert group[names[0]] == group[names[1]] == group[train.loc[0, "record_id"]]
    assert group[names[2]] == group[train.loc[4, "record_id"]]
    assert not {group[names[3]], group[names[4]]} & set(bundles[0].reference.groups.tolist())
    predictor = Predictor.load(made.path)
    values = {name: rows.loc[0, name] for name in VARIABLES}
    answer = predictor.predict(None, values, patient_id=train.loc[0, "patient_id"])
    assert not {names[0], names[1], train.loc[0, "record_id"]} & {each.record_id for each in answer.neighbours}


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("by", ["patient_id", "ecg"])
def test_groups_that_judged_the_model_are_refused(finished_run, other_cohort, part, by, tmp_path):
    held, rows = part_of_run(finished_run, part).reset_index(drop=True), rows_of(other_cohort).head(5)
    rows.loc[1, by] = held.loc[0, by]
    rows.loc[3, "patient_id"] = rows.loc[1, "patient_id"]
    with pytest.raises(CohortError, match="2 of 5 records cannot become reference records") as caught:
        extend_run(finished_run, written(rows[COLUMNS], tmp_path), tmp_path / "out")
    names = rows["record_id"]
    assert [(each.where, each.code) for each in caught.value.issues] == [
        (f"record {names[1]!r} (no. 2 of the cohort)", "held_out"),
        (f"record {names[3]!r} (no. 4 of the cohort)", "held_out"),
    ]
    assert not (tmp_path / "out" / "run.json").exists()
    made = extend_run(finished_run, tmp_path / "more.csv", tmp_path / "out", skip_known=True)
    assert made.facts["left_out"] == {"page": 0, "in_reference": 0, "held_out": 2}
    assert made.facts["added"] == 3


def test_a_near_copy_of_a_test_page_is_refused(finished_run, other_cohort, tmp_path):
    from PIL import Image

    held, rows = part_of_run(finished_run, "test").reset_index(drop=True), rows_of(other_cohort).head(3)
    with Image.open(held.loc[0, "ecg"]) as page:
        page.convert("RGB").resize((page.width * 9 // 10, page.height * 9 // 10)).save(tmp_path / "copy.png")
    rows.loc[2, "ecg"] = str(tmp_path / "copy.png")
    with pytest.raises(CohortError) as caught:
        extend_run(finished_run, written(rows[COLUMNS], tmp_path), tmp_path / "out")
    assert [(issue.value, issue.code) for issue in caught.value.issues] == [
        ("known by its page (a near-copy)", "held_out")
    ]


def test_a_record_may_not_make_one_group_of_two(finished_run, other_cohort, tmp_path):
    train, rows = part_of_run(finished_run, "train").reset_index(drop=True), rows_of(other_cohort).head(3)
    first, second = train.drop_duplicates("patient_id").index[:2]
    rows.loc[0, "patient_id"] = train.loc[first, "patient_id"]
    rows.loc[0, "ecg"] = train.loc[second, "ecg"]
    with pytest.raises(CohortError) as caught:
        extend_run(finished_run, written(rows[COLUMNS], tmp_path), tmp_path / "out", skip_known=True)
    assert codes(caught) == {"joins_groups"}


def test_records_that_are_there_already_are_named_or_left_out_and_counted(finished_run, other_cohort, tmp_path):
    train, rows = part_of_run(finished_run, "train").head(4), rows_of(other_cohort).head(6)
    path = written(pd.concat([train, rows[COLUMNS]]), tmp_path)
    with pytest.raises(CohortError) as caught:
        extend_run(finished_run, path, tmp_path / "out")
    assert [each.code for each in caught.value.issues] == ["in_reference"] * 4
    made = extend_run(finished_run, path, tmp_path / "out", skip_known=True)
    assert made.facts["left_out"]["in_reference"] == 4
    assert (made.facts["read"], made.facts["added"]) == (10, 6)
    with pytest.raises(CohortError, match="nothing to extend by"):
        extend_run(finished_run, written(train, tmp_path, "old.csv"), tmp_path / "none", skip_known=True)


def test_ids_of_another_place_are_other_people(finished_run, other_cohort, tmp_path):
    held, rows = part_of_run(finished_run, "test").reset_index(drop=True), rows_of(other_cohort).head(4)
    rows["patient_id"] = held["patient_id"].head(4)
    rows["record_id"] = held["record_id"].head(4)
    path = written(rows[COLUMNS], tmp_path)
    with pytest.raises(CohortError):
        extend_run(finished_run, path, tmp_path / "out")
    made = extend_run(finished_run, path, tmp_path / "out", ids_of="north")
    reference = ModelBundle.load(made.path / "bundle").reference
    assert reference.patient_ids[-4:] == tuple(f"north:{name}" for name in rows["patient_id"])
    assert reference.record_ids[-4:] == tuple(f"{name}:2" for name in rows["record_id"])
    assert any("4 records have a name that the run already has" in note for note in made.facts["notes"])


# The new run


def test_an_answer_of_an_extended_run_says_that_it_is_uncalibrated(extended, other_cohort, capsys):
    predictor = Predictor.load(extended.path)
    answer = predictor.predict(None, {"ef": 0.3, "age": 60})
    raw = predictor.score(
        Queries(
            np.full((1, 512), np.nan, np.float32), np.array([[0.3, np.nan, np.nan, np.nan, 60]]), [None], [None], [None]
        )
    ).raw[0]
    assert answer.probability == pytest.approx(1 / (1 + np.exp(-raw)), abs=1e-5)
    assert (answer.positive, answer.threshold, answer.decision) == (None, None, "void")
    assert (answer.low, answer.high, answer.novelty) == (None, None, None)
    assert answer.warnings[0].startswith("the run was extended")
    assert "reference records added since" in answer.provenance
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(extended.path), "--ef", "0.3"])
    assert ended.value.code == 0
    assert "the threshold is void" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(extended.path), "--table", str(other_cohort)])
    assert ended.value.code == 0
    assert ",void," in capsys.readouterr().out


def test_a_run_that_is_void_is_not_evaluated_and_has_no_report(extended, other_cohort, capsys):
    assert not (extended.path / "metrics.json").exists()
    for command, message in (
        (["evaluate", str(extended.path), str(other_cohort)], "--renew"),
        (["report"], "no report"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*command, *([] if len(command) > 1 else [str(extended.path)]), "--json"])
        assert ended.value.code == 5
        assert message in json.loads(capsys.readouterr().out)["error"]


def test_the_run_records_its_origin(finished_run, extended):
    facts = json.loads((extended.path / "run.json").read_text())
    assert facts["status"] == "finished"
    assert facts["extended"] == extended.facts
    assert facts["extended"]["extends"] == finished_run.name
    import hashlib

    digest = hashlib.sha256((finished_run / "bundle" / "bundle.json").read_bytes()).hexdigest()
    assert facts["extended"]["bundle"] == digest
    cohort, split = (pd.read_parquet(extended.path / f"{name}.parquet") for name in ("cohort", "split"))
    assert (
        len(cohort) == len(split) == len(pd.read_parquet(finished_run / "cohort.parquet")) + facts["extended"]["added"]
    )
    assert (split["part"].tail(facts["extended"]["added"]) == "added").all()
    assert cohort["record_id"].is_unique


def test_the_same_command_shows_what_is_there_and_another_cohort_is_refused(
    finished_run, extended, other_cohort, tmp_path
):
    before = {path: path.stat().st_mtime_ns for path in extended.path.rglob("*") if path.name != ".lock"}
    assert extend_run(finished_run, other_cohort, extended.path).facts == extended.facts
    assert before == {path: path.stat().st_mtime_ns for path in extended.path.rglob("*") if path.name != ".lock"}
    with pytest.raises(RunError, match="cohort: SHA-256"):
        extend_run(finished_run, written(rows_of(other_cohort).head(5), tmp_path), extended.path)
    with pytest.raises(RunError, match="is not an extension"):
        copied = shutil.copytree(finished_run, tmp_path / "copy")
        extend_run(finished_run, other_cohort, copied)
    with pytest.raises(ConfigError, match="is the run itself"):
        extend_run(finished_run, other_cohort, finished_run)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not a run's"):
        extend_run(finished_run, other_cohort, tmp_path / "mine")


def test_a_killed_extension_goes_on(finished_run, extended, other_cohort, tmp_path, monkeypatch):
    def killed(*_args, **_others):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cardiograph.artifacts.bundle.ModelBundle.save", killed)
        with pytest.raises(KeyboardInterrupt):
            extend_run(finished_run, other_cohort, tmp_path / "out")
    with pytest.raises(RunError, match="unfinished"):
        Predictor.load(tmp_path / "out")
    made = extend_run(finished_run, other_cohort, tmp_path / "out")
    names = {path.name for path in (made.path / "bundle").iterdir()}
    assert names == {path.name for path in (extended.path / "bundle").iterdir()}
    for name in names:
        assert (made.path / "bundle" / name).read_bytes() == (extended.path / "bundle" / name).read_bytes(), name


def test_the_extended_run_is_left_as_it_was(finished_run, other_cohort, tmp_path):
    copied = shutil.copytree(finished_run, tmp_path / "run")
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    extend_run(copied, written(rows_of(other_cohort).head(4), tmp_path), tmp_path / "out")
    assert before == {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}


def test_an_extended_run_can_be_extended(extended, other_cohort, further_cohort, bundles, tmp_path):
    with pytest.raises(CohortError) as caught:
        extend_run(extended.path, written(rows_of(other_cohort).head(3), tmp_path), tmp_path / "out")
    assert codes(caught) == {"in_reference"}
    made = extend_run(extended.path, further_cohort, tmp_path / "out")
    first, second = bundles[1].reference, ModelBundle.load(made.path / "bundle").reference
    for before, after in zip(first.states, second.states, strict=True):
        assert after[: len(first)].tobytes() == before.tobytes()
    assert len(second) == len(first) + len(pd.read_csv(further_cohort))


# Inputs


def test_inputs_that_cannot_be_used_end_with_their_own_error(finished_run, other_cohort, tmp_path):
    rows = rows_of(other_cohort).head(6)

    def caught(table, kind):
        with pytest.raises(kind) as found:
            extend_run(finished_run, written(table, tmp_path), tmp_path / "out")
        assert not (tmp_path / "out" / "run.json").exists()
        return codes(found) if hasattr(found.value, "issues") else str(found.value)

    assert caught(rows.drop(columns="label"), CohortError) == {"no_label"}
    assert caught(rows.drop(columns=VARIABLES), CohortError) == {"incomplete"}
    assert caught(rows.assign(ef=rows["ef"] * 100), CohortError) <= {"other_unit", "out_of_range"}
    assert caught(rows.assign(ecg="gone.png"), PageError) == {"missing"}
    assert caught(rows.assign(label=7), CohortError) == {"label"}
    assert caught(rows.head(0), CohortError) is not None
    with pytest.raises(RunError, match="not a finished run"):
        extend_run(tmp_path / "nowhere", other_cohort, tmp_path / "out")
    with pytest.raises(ConfigError, match="is inside the cohort"):
        extend_run(finished_run, other_cohort.parent, other_cohort.parent / "out")


def test_columns_that_are_missing_or_not_read_are_reported(finished_run, other_cohort, tmp_path):
    rows = rows_of(other_cohort).head(5).assign(label="").drop(columns="bnp")
    made = extend_run(finished_run, written(rows, tmp_path), tmp_path / "out")
    assert made.facts["labels"] == {"0": 0, "1": 0, "none": 5}
    assert "the cohort lacks columns that the model reads: bnp" in made.facts["notes"]


def test_bad_pages_are_left_out_on_request_and_counted(finished_run, other_cohort, tmp_path):
    rows = rows_of(other_cohort).head(5)
    rows.loc[2, "ecg"] = "gone.png"
    settings = {"pages": {"skip_bad": True}}
    made = extend_run(finished_run, written(rows, tmp_path), tmp_path / "out", overrides=settings)
    assert made.facts["left_out"]["page"] == 1
    assert made.facts["added"] == 4


def test_a_run_of_values_alone_is_extended_by_values(tmp_path, settings):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    table = pd.DataFrame(
        {
            "patient_id": [f"p{row}" for row in range(120)],
            "label": labels,
            "ef": np.clip(0.6 - 0.15 * labels + rng.normal(0, 0.08, 120), 0.1, 0.85).round(3),
            "sbp": rng.integers(100, 170, 120),
            "age": rng.integers(40, 80, 120),
        }
    )
    for model in ("gcn", "gat", "knn_vote"):
        chosen = settings | {"model": settings["model"] | {"name": model}}
        made = run(written(table.head(90), tmp_path, "first.csv"), tmp_path / model, load_config(None, chosen)).path
        out = extend_run(made, written(table.tail(30), tmp_path), tmp_path / f"{model} more").path
        predictor, first = Predictor.load(out), Predictor.load(made)
        old = [each.shape for each in first.bundle.reference.states]
        assert [each.shape[1] for each in predictor.bundle.reference.states] == [shape[1] for shape in old]
        answers = predictor.predict_many([Query(clinical={"ef": 0.3, "sbp": 120, "age": 60})])
        assert 0 < next(iter(answers)).probability < 1


def test_the_command_reports_what_was_added_and_what_is_void(finished_run, other_cohort, tmp_path, capsys):
    path = written(rows_of(other_cohort).head(8), tmp_path)
    arguments = ["extend", str(finished_run), str(path), "--out", str(tmp_path / "out")]
    for options in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *options])
        assert ended.value.code == 0
        output = capsys.readouterr().out
        if options:
            assert json.loads(output)["run"] == str(tmp_path / "out")
            assert json.loads(output)["added"] == 8
        else:
            assert "added 8 of 8 records" in output
            assert "void: calibration, threshold and metrics" in output
