import hashlib
import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cardiograph.errors import ConfigError
from cardiograph.schema import DEFAULT_VARIABLES
from cardiograph.synthesis import cohort as cohort_module
from cardiograph.synthesis.ceiling import auroc
from cardiograph.synthesis.cohort import write_cohort
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.patients import draw_record, patient_records
from cardiograph.synthesis.truth import cohort_table, latent_matrix, truth_table

PATIENTS = 12


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(cohort_module, "CEILING_PATIENTS", 2000)
    out = tmp_path_factory.mktemp("synth") / "cohort"
    calls = []
    path = write_cohort(
        out, patients=PATIENTS, seed=5, workers=1, progress=lambda done, total: calls.append((done, total))
    )
    yield path, calls
    patch.undo()


@pytest.fixture(scope="module")
def many():
    return [record for number in range(3000) for record in patient_records(11, number)]


def test_folder_holds_table_pages_truth_and_description(written):
    path, calls = written
    table = pd.read_csv(path, dtype={"patient_id": str})
    assert list(table.columns) == [
        *("record_id", "patient_id", "ecg", "label", "ef", "bnp", "nyha", "sbp", "age", "site", "acquired_at")
    ]
    assert table["record_id"].is_unique
    assert table["patient_id"].nunique() == PATIENTS
    for page in table["ecg"]:
        with Image.open(path.parent / page) as image:
            assert image.format == "JPEG"
            assert image.size == (1108, 788)
    assert len(list((path.parent / "pages").iterdir())) == len(table)
    assert calls[-1] == (len(table), len(table))
    truth = pd.read_parquet(path.parent / "truth.parquet")
    assert truth["record_id"].tolist() == table["record_id"].tolist()
    assert truth["label"].tolist() == table["label"].tolist()
    description = json.loads((path.parent / "synthetic.json").read_text())
    assert description["cohort_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (description["patients"], description["seed"], description["records"]) == (PATIENTS, 5, len(table))
    assert 0.88 < description["ceilings"]["all"] < 0.96
    assert not list(path.parent.rglob("*.partial"))
    assert not (path.parent / "unfinished.json").exists()


def test_same_seed_same_bytes_with_two_processes(written, tmp_path, monkeypatch):
    monkeypatch.setattr(cohort_module, "CEILING_PATIENTS", 2000)
    monkeypatch.setattr(cohort_module, "_BATCH_PAGES", 4)
    write_cohort(tmp_path / "again", patients=PATIENTS, seed=5, workers=2)
    assert files(tmp_path / "again") == files(written[0].parent)


def test_a_killed_run_is_gone_on_with(written, tmp_path, monkeypatch):
    monkeypatch.setattr(cohort_module, "CEILING_PATIENTS", 2000)

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cohort(tmp_path / "cut", patients=PATIENTS, seed=5, workers=1, progress=stop)
    assert not (tmp_path / "cut/cohort.csv").exists()
    with pytest.raises(ConfigError, match="not empty"):
        write_cohort(tmp_path / "cut", patients=PATIENTS, seed=6, workers=1)
    write_cohort(tmp_path / "cut", patients=PATIENTS, seed=5, workers=1)
    assert files(tmp_path / "cut") == files(written[0].parent)


_COMMAND = """
import sys
from pathlib import Path
from cardiograph.synthesis.cohort import write_cohort

if __name__ == "__main__":
    write_cohort(Path(sys.argv[1]), patients=24, seed=8, workers=2)
"""


@pytest.mark.slow
def test_killed_without_warning_it_leaves_a_folder_to_go_on_with(tmp_path):
    (tmp_path / "command.py").write_text(_COMMAND)
    process = subprocess.Popen([sys.executable, str(tmp_path / "command.py"), str(tmp_path / "out")])
    while not list((tmp_path / "out").glob("pages/*.jpg")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (tmp_path / "out/synthetic.json").exists()
    write_cohort(tmp_path / "out", patients=24, seed=8, workers=1)
    write_cohort(tmp_path / "whole", patients=24, seed=8, workers=2)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_finished_or_foreign_folder_is_left_alone(written, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    for folder in (written[0].parent, tmp_path):
        before = files(folder)
        with pytest.raises(ConfigError, match="not empty; give a new folder"):
            write_cohort(folder, patients=PATIENTS, seed=5)
        assert files(folder) == before


@pytest.mark.parametrize("wrong", [{"patients": 0}, {"seed": -1}, {"workers": 0}])
def test_numbers_out_of_range_are_named(tmp_path, wrong):
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is"):
        write_cohort(tmp_path / "x", **{"patients": 3, "seed": 0, "workers": 1, **wrong})
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file.*cannot be written"):
        write_cohort(tmp_path / "file" / "x", patients=1, seed=0)


def test_patient_does_not_depend_on_how_many_there_are():
    record = patient_records(5, 3)[0]
    patient_records(5, 4)
    assert draw_record(record) == draw_record(patient_records(5, 3)[0])
    assert draw_record(record) != draw_record(patient_records(6, 3)[0])


def test_one_patient_in_eight_has_two_records_of_one_state(many):
    by_patient = {}
    for record in many:
        by_patient.setdefault(record.patient_id, []).append(record)
    pairs = [records for records in by_patient.values() if len(records) == 2]
    assert len(pairs) / 3000 == pytest.approx(0.12, abs=0.02)
    for first, second in pairs:
        assert first.latents.component == second.latents.component
        assert first.acquired_at < second.acquired_at
    place = (
        [records[0].latents.gaussian[0, -4:-2] for records in pairs],
        [r[1].latents.gaussian[0, -4:-2] for r in pairs],
    )
    assert np.corrcoef(np.array(place[0])[:, 0], np.array(place[1])[:, 0])[0, 1] > 0.9


def test_values_lie_in_the_limits_and_gaps_are_as_stated(many):
    table = cohort_table(many).replace("", np.nan)
    for variable in DEFAULT_VARIABLES:
        values = table[variable.name].astype(float)
        assert values.dropna().between(variable.low, variable.high).all()
        if variable.whole:
            assert (values == values.round()).all()
    assert table["bnp"].isna().mean() == pytest.approx(0.08, abs=0.015)
    assert table["ef"].isna().mean() == pytest.approx(0.05, abs=0.012)
    assert table[["nyha", "sbp", "age", "label"]].notna().all().all()


def test_site_and_date_carry_no_information(many):
    table = cohort_table(many)
    for _, rows in table.groupby("site"):
        share = rows["label"].mean()
        assert abs(share - 0.3) < 4 * np.sqrt(0.21 / len(rows))
    date = pd.to_datetime(table["acquired_at"]).astype("int64").to_numpy(float)
    assert auroc(table["label"].to_numpy(), date) == pytest.approx(0.5, abs=0.035)


def test_truth_holds_posteriors_that_reach_the_ceiling(many):
    truth = truth_table(many)
    label = truth["label"].to_numpy()
    scores = {
        name: auroc(label, truth[f"bayes_{name}"].to_numpy()) for name in ("all", "recorded", "screening", "clinical")
    }
    assert scores["all"] == pytest.approx(0.917, abs=0.02)
    assert scores["all"] > scores["recorded"] > scores["clinical"]
    assert scores["screening"] == pytest.approx(0.86, abs=0.025)
    complete = ~(truth["ef_missing"] | truth["bnp_missing"])
    assert np.allclose(truth.loc[complete, "bayes_recorded"], truth.loc[complete, "bayes_all"])
    assert truth.loc[truth["rhythm"] == "af", ["pr_ms", "p_terminal"]].isna().all().all()
    assert truth.loc[truth["rhythm"] == "sinus", "f_wave_mv"].isna().all()


def test_latents_as_regressors_follow_the_requested_records(many):
    truth = truth_table(many[:300])
    wanted = truth["record_id"].to_numpy()[[7, 3, 250]]
    matrix = latent_matrix(truth, list(wanted))
    assert matrix.shape == (3, 18 + 1 + 2 + 3)
    assert np.isfinite(latent_matrix(truth)).all()
    assert np.array_equal(latent_matrix(truth)[[7, 3, 250]], matrix)
    ages = truth.set_index("record_id").loc[wanted, "age"].to_numpy()
    share = (ages - 18) / 82
    assert np.allclose(latent_matrix(truth, list(wanted), variables=("age",))[:, 0], np.log(share / (1 - share)))
    assert latent_matrix(truth, list(wanted), variables=("nyha",)).sum(1).max() <= 1
    with pytest.raises(ValueError, match="no record 'P9'"):
        latent_matrix(truth, ["P9"])


def test_signals_are_the_recordings_of_the_pages(tmp_path):
    from cardiograph.ecg.readers.read import read_ecg

    table = pd.read_csv(write_cohort(tmp_path / "signals", patients=3, seed=5, files="signals", workers=1))
    assert json.loads((tmp_path / "signals" / "synthetic.json").read_text())["files"] == "signals"
    for record in (each for number in range(3) for each in patient_records(5, number)):
        (name,) = table.loc[table["record_id"] == record.record_id, "ecg"]
        read = read_ecg(tmp_path / "signals" / name)
        np.testing.assert_allclose(read.signal, record_ecg(record.heart, np.random.default_rng(record.seed)), atol=2e-3)
    with pytest.raises(ConfigError, match="not empty"):
        write_cohort(tmp_path / "signals", patients=3, seed=5, workers=1)


def test_without_ecgs_the_table_has_the_same_values_in_any_number_of_pieces(written, tmp_path, monkeypatch):
    monkeypatch.setattr(cohort_module, "CEILING_PATIENTS", 2000)
    monkeypatch.setattr(cohort_module, "_BATCH_PATIENTS", 4)
    done = []
    path = write_cohort(
        tmp_path / "table", patients=PATIENTS, seed=5, files="none", progress=lambda *count: done.append(count)
    )
    assert [each.name for each in sorted(path.parent.iterdir())] == ["cohort.csv", "synthetic.json", "truth.parquet"]
    assert done[-1] == (PATIENTS, PATIENTS)
    pd.testing.assert_frame_equal(pd.read_csv(path), pd.read_csv(written[0]).drop(columns="ecg"))
    truth = pd.read_parquet(path.parent / "truth.parquet")
    pd.testing.assert_frame_equal(truth, pd.read_parquet(written[0].parent / "truth.parquet"))
