"""Public cohorts: small files in the owners' form, their traps, and the shared parts."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from cardiograph.cli.app import app
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import load_config
from cardiograph.ecg.read_any import read_any
from cardiograph.errors import CohortError, ConfigError
from cardiograph.progress import NoProgress
from cardiograph.public_cohorts import importing
from cardiograph.public_cohorts.catalogue import ADAPTERS
from cardiograph.public_cohorts.music_columns import COLUMNS, DAMAGED


def load(name, source, out, **options):
    return importing.import_cohort(name, source, out, progress=NoProgress(), **options)


def table(result):
    with result.table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cohort(result):
    config = load_config(result.table.with_name("cohort.toml"), {})
    return read_cohort(result.table, config.cohort, outcome=config.outcome)


def traps(result, *words):
    """Counts of the traps that hold all words."""
    return [count for text, count in result.traps.items() if all(word in text for word in words)]


def write(path, rows, *, separator=",", encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(rows)


MUSIC_VALUES = {"age": "62", "lvef": "35", "probnpngl": "1200", "nyhaclass": "2", "systolicbloodpressuremmhg": "120"}


def music(folder, patients):
    """Write patients (days, exit, cause, other cells) in the form of MUSIC."""
    start = ["patientid", "followupperiodfromenrollmentdays", "exitofthestudy", "causeofdeath"]
    header = [*start, *(key.removesuffix("2") if key == "averagerrms2" else key for key in COLUMNS), DAMAGED[0]]
    rows = []
    for number, (days, reason, cause, cells) in enumerate(patients, 1):
        values = {**MUSIC_VALUES, **cells}
        rows.append([f"P{number}", days, reason, cause, *(values.get(key, "1") for key in COLUMNS), "4,970,833,333"])
    header = ["Creatinine (µmol/L)" if key == "creatininemoll" else key for key in header]
    write(folder / "subject-info.csv", [header, *rows], separator=";", encoding="latin-1")
    return folder


PATIENTS = [
    ("1800", "", "0", {"age": ">89", "bodymassindexkgm2": "31,2"}),
    ("100", "3", "1", {"printervalms": "999"}),
    ("200", "3", "3", {"gendermale1": "0"}),
    ("300", "3", "7", {}),
    ("400", "2", "0", {}),
    ("150", "1", "", {}),
    ("365", "3", "6", {"lvef": "NA?"}),
]


def test_music_owners_form(tmp_path):
    result = load("music", music(tmp_path / "in", PATIENTS), tmp_path / "out", outcome="cardiac-death", horizon="365d")
    rows = table(result)
    assert [row["label"] for row in rows] == ["0", "0", "1", "1", "0", "", "1"]
    assert [row["event"] for row in rows] == ["0", "2", "1", "1", "0", "0", "1"]
    assert [row["outcome_all-cause-death"] for row in rows] == ["0", "1", "1", "1", "0", "", "1"]
    assert [row["outcome_pump-failure-death"] for row in rows] == ["0", "0", "0", "1", "0", "", "1"]
    assert (rows[0]["age"], rows[0]["age_over_89"], rows[0]["bmi"], rows[0]["ef"]) == ("90", "1", "31.2", "0.35")
    assert (rows[1]["pr_interval"], rows[2]["sex"], rows[6]["ef"]) == ("", "female", "")
    assert traps(result, "exit") == [1]
    assert traps(result, "transplant:") == [1]
    assert traps(result, "lost to") == [1]
    assert traps(result, ">89") == traps(result, "pr_interval", "999") == traps(result, "ef:") == [1]
    assert traps(result, "decimal mark") == [7]
    assert traps(result, "cardiac-death", "censored") == [1]
    assert traps(result, "cardiac-death", "another cause") == [1]


SMOKING = {("0", "0"): "0", ("20", "0"): "1", ("20", "7"): "0", ("20", ""): "", ("", "0"): "", ("0", ""): "0"}
"""Cigarettes a day and smoke-free years -> whether the patient smokes now."""


def test_music_smoking_is_derived(tmp_path):
    patients = [("1800", "", "0", {"dailysmokingcigarretesday": a, "smokefreetimeyears": b}) for a, b in SMOKING]
    result = load("music", music(tmp_path / "in", [*patients, PATIENTS[1]]), tmp_path / "out")
    assert [row["smoker"] for row in table(result)[:-1]] == list(SMOKING.values())
    settings = load_config(result.table.with_name("cohort.toml"), {})
    assert "smoker" in [variable.name for variable in settings.cohort.variables]
    assert traps(result, "smoker") == [1]


def test_music_contradictions_are_named(tmp_path):
    for patient in (("10", "3", "0", {}), ("10", "", "6", {}), ("10", "4", "0", {}), ("0", "", "0", {})):
        folder = music(tmp_path / "in", [PATIENTS[0], patient])
        with pytest.raises(CohortError, match="P2 has"):
            load("music", folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_uci_time_is_no_predictor(tmp_path):
    header = (
        "age,anaemia,creatinine_phosphokinase,diabetes,ejection_fraction,high_blood_pressure,platelets,"
        "serum_creatinine,serum_sodium,sex,smoking,time,DEATH_EVENT"
    )
    rows = [
        [75, 0, 582, 0, 20, 1, 263358.03, 1.9, 130, 1, 0, 4, 1],
        [55, 0, 7861, 0, 38, 0, 200000, 1, 136, 0, 1, 6, 0],
    ]
    write(tmp_path / "in" / "heart_failure_clinical_records_dataset.csv", [header.split(","), *rows])
    result = load("uci-hf", tmp_path / "in", tmp_path / "out")
    names = [variable.name for variable in cohort(result).variables]
    assert "creatinine" in names
    assert not {"time", "event", "outcome_death"} & set(names)
    assert {"time", "event", "outcome_death"} <= set(cohort(result).table.attrs["ignored_columns"])
    assert traps(result, "263358.03") == [1]
    rows[0][-1] = 2
    write(tmp_path / "in" / "heart_failure_clinical_records_dataset.csv", [header.split(","), *rows])
    with pytest.raises(CohortError, match=r"row 2: death_event is '2'"):
        load("uci-hf", tmp_path / "in", tmp_path / "out", force=True)


def ptb_xl(folder, folds):
    """Write records (patient, fold) in the form of PTB-XL; the last one has no file."""
    header = "ecg_id,patient_id,age,sex,recording_date,scp_codes,strat_fold,filename_lr,filename_hr,site"
    codes = ["{'NORM': 100.0, 'SR': 0.0}", "{'IMI': 50.0, 'NORM': 0.0}", "{'SR': 0.0}", "{'LVH': 100.0}"]
    rows = []
    for number, (patient, fold) in enumerate(folds, 1):
        stem = f"records500/00000/{number:05}_hr"
        age = "300.0" if number == 1 else "56.0"
        rows.append([number, f"{patient}.0", age, number % 2, "1984-11-09", codes[number % 4], fold, "", stem, "2.0"])
        if number < len(folds):
            write(folder / f"{stem}.hea", [["x"]])
    write(folder / "ptbxl_database.csv", [header.split(","), *rows])
    statements = [["NORM", "", "1.0", "NORM"], ["IMI", "", "1.0", "MI"], ["LVH", "", "1.0", "HYP"], ["SR", "", "", ""]]
    write(folder / "scp_statements.csv", [["", "description", "diagnostic", "diagnostic_class"], *statements])
    return folder


def test_ptb_xl_owners_form(tmp_path):
    folder = ptb_xl(tmp_path / "in", [(1, 1), (1, 1), (2, 9), (3, 10), (4, 10)])
    result = load("ptb-xl", folder, tmp_path / "out")
    rows = table(result)
    assert [row["split"] for row in rows] == ["train", "train", "val", "test"]
    assert [row["label"] for row in rows] == ["1", "", "1", "0"]
    assert [row["outcome_mi"] for row in rows] == ["1", "0", "0", "0"]
    assert [row["sex"] for row in rows] == ["female", "male", "female", "male"]
    assert (rows[0]["age"], rows[0]["patient_id"], rows[0]["site"]) == ("90", "1", "2")
    assert traps(result, "not in the folder") == traps(result, "age 300") == [1]
    assert cohort(result).table["split"].tolist() == ["train", "train", "val", "test"]
    assert result.outcomes["SR"] == {"0": 2, "1": 2}
    assert [row["label"] for row in table(load("ptb-xl", folder, tmp_path / "b", outcome="SR"))] == ["0", "1", "0", "1"]


def test_ptb_xl_folds_that_share_patients_are_no_split(tmp_path):
    result = load("ptb-xl", ptb_xl(tmp_path / "in", [(1, 1), (1, 9), (3, 10), (3, 2)]), tmp_path / "out")
    assert "split" not in table(result)[0]
    assert traps(result, "several folds") == [1]


def test_ecg_pages_copies_once(tmp_path):
    names = [
        "Normal Person ECG Images (284x12=3408)",
        "ECG Images of Patient that have abnormal heartbeat (233x12=2796)",
        "ECG Images of Myocardial Infarction Patients (240x12=2880)",
        "ECG Images of Patient that have History of MI (172x12=2064)",
    ]
    for number, name in enumerate(names):
        (tmp_path / "in" / name).mkdir(parents=True)
        for copy in ("a", "b"):
            (tmp_path / "in" / name / f"{copy}.jpg").write_bytes(bytes([number]))
    (tmp_path / "in" / names[0] / "notes.txt").write_text("not a page")
    (tmp_path / "in" / names[0] / "c.jpg").write_bytes(b"both")
    (tmp_path / "in" / names[1] / "c.jpg").write_bytes(b"both")
    result = load("ecg-pages", tmp_path / "in", tmp_path / "out")
    assert {row["label"] for row in table(result)} == set(result.outcomes["class"])
    assert result.outcomes["class"] == dict.fromkeys(
        ("abnormal_heartbeat", "history_of_mi", "myocardial_infarction", "normal"), 1
    )
    assert traps(result, "exact copy") == [4]
    assert traps(result, "several classes") == [2]
    assert traps(result, "no JPEG") == [1]
    (tmp_path / "in" / names[3]).rename(tmp_path / "in" / "other")
    with pytest.raises(CohortError, match="no folder for history_of_mi"):
        load("ecg-pages", tmp_path / "in", tmp_path / "b")


def test_code_15_owners_form(tmp_path):
    h5py = pytest.importorskip("h5py")
    header = (
        "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,normal_ecg,trace_file"
    )
    end = ["exams_part0.hdf5"]
    rows = [
        [11, 38, "True", 40, *["False"] * 6, 7, "False", 5.0, "True", *end],
        [12, 73, "False", 40, *["False"] * 5, "True", 8, "True", 1.0, "False", *end],
        [13, 73, "True", 40, *["False"] * 6, 8, "", "", "False", "exams_part1.hdf5"],
    ]
    write(tmp_path / "in" / "exams.csv", [header.split(","), *rows])
    tracings = np.zeros((3, 4096, 12), dtype=np.float32)
    tracings[0, 648:3448] = tracings[1, 48:4048] = 0.25
    with h5py.File(tmp_path / "in" / "exams_part0.hdf5", "w") as file:
        file["exam_id"], file["tracings"] = [11, 12, 0], tracings
    result = load("code-15", tmp_path / "in", tmp_path / "out")
    assert [row["outcome_death"] for row in table(result)] == ["0", "1"]
    assert [row["label"] for row in table(result)] == ["0", "1"]
    assert traps(result, "not in exams.csv") == traps(result, "not in an HDF5") == [1]
    assert traps(result, "padded") == traps(result, "no rate, unit") == [2]
    ecg = read_any(tmp_path / "out" / "records" / "11.hea")
    assert (ecg.rate, ecg.signal.shape) == (400, (12, 2800))
    assert ecg.lead("V1") == pytest.approx(0.25, abs=1e-3)
    assert len(cohort(result).table) == 2
    with pytest.raises(ConfigError, match="records already"):
        load("code-15", tmp_path / "in", tmp_path / "out")


def test_physionet_challenge_headers(tmp_path):
    heads = {"g1/A0001": ("300", "Male", "733534002,1"), "HR1": ("NaN", "Unknown", "426783006"), "E1": ("5", "F", "1")}
    for name, (age, sex, codes) in heads.items():
        path = tmp_path / "in" / f"{name}.hea"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"x 1 500 9\n{path.stem}.mat 16\n# Age: {age}\n#Sex: {sex}\n#Dx: {codes}\n")
        if name != "E1":
            path.with_suffix(".mat").touch()
    result = load("physionet-challenge", tmp_path / "in", tmp_path / "out", outcome="LBBB")
    facts = [tuple(row[name] for name in ("record_id", "age", "sex", "site", "label")) for row in table(result)]
    assert facts == [("HR1", "", "", "PTB-XL", "0"), ("g1/A0001", "90", "male", "CPSC", "1")]
    assert traps(result, "sex is unknown") == [1]
    assert traps(result, "samples", "absent") == traps(result, "without an entry") == traps(result, "age 300") == [1]


def test_wrong_choices_name_what_is_allowed(tmp_path):
    folder = music(tmp_path / "in", PATIENTS)
    with pytest.raises(ConfigError, match="choose music, ptb-xl"):
        load("musik", folder, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"has all-cause-death, cardiac-death.*did you mean cardiac-death"):
        load("music", folder, tmp_path / "out", outcome="cardiac")
    with pytest.raises(ConfigError, match="such as 365d"):
        load("music", folder, tmp_path / "out", horizon="1")
    with pytest.raises(ConfigError, match="have no time"):
        load("ludb", folder, tmp_path / "out", horizon="1y")
    with pytest.raises(ConfigError, match="inside the folder of the source"):
        load("music", folder, folder / "out")
    load("music", folder, tmp_path / "out")
    before = (tmp_path / "out" / "cohort.csv").read_bytes()
    with pytest.raises(ConfigError, match="--force"):
        load("music", folder, tmp_path / "out", horizon="1y")
    assert (tmp_path / "out" / "cohort.csv").read_bytes() == before
    load("music", folder, tmp_path / "out", horizon="1y", force=True)
    assert (tmp_path / "out" / "cohort.csv").read_bytes() != before
    licence = (tmp_path / "out" / "LICENCE-AND-CITATION.txt").read_text(encoding="utf-8")
    assert "ODC-By" in licence
    assert "Vazquez" in licence
    assert json.loads((tmp_path / "out" / "import.json").read_text(encoding="utf-8"))["horizon_days"] == 365


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_empty_folder_names_the_missing_file(tmp_path, name):
    (tmp_path / "in").mkdir()
    with pytest.raises(CohortError, match=r"release.* of"):
        load(name, tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_list_names_every_cohort_with_licence_and_outcomes():
    shown = CliRunner().invoke(app, ["import", "--list"]).output
    assert all(f"{each.name}\n" in shown and each.licence in shown for each in ADAPTERS.values())
    assert all(f"  {name}: " in shown for each in ADAPTERS.values() for name in each.outcomes)


def test_output_names_label_traps_and_next_command(tmp_path):
    out = tmp_path / "out"
    shown = CliRunner().invoke(app, ["import", "music", str(music(tmp_path / "in", PATIENTS)), str(out)]).output
    assert "label:   all-cause-death (1: 4, 0: 1, unknown: 2)" in shown
    assert "heart transplant: censored at its date: 1" in shown
    assert f"cardiograph run {out}/cohort.csv --config {out}/cohort.toml" in shown


SHARED = {
    "music": ("music", 695, {"1": 171, "0": 502, "": 22}),
    "uci-hf": ("uci-heart-failure", 299, {"1": 96, "0": 203}),
    "ptb-xl": ("ptb-xl", 1537, {"1": 844, "0": 665, "": 28}),
    "ecg-pages": (
        "ecg-pages",
        367,
        {"normal": 106, "abnormal_heartbeat": 175, "myocardial_infarction": 22, "history_of_mi": 64},
    ),
    "ludb": ("ludb", 120, {"1": 63, "0": 57}),
}


@pytest.mark.parametrize("name", SHARED)
def test_shared_parts_become_cohorts(shared, tmp_path, name):
    folder, records, labels = SHARED[name]
    result = load(name, shared / "data" / folder, tmp_path / "out")
    assert (result.records, result.outcomes[result.outcome]) == (records, labels)
    read = cohort(result)
    assert len(read.table) == records
    assert not [each.name for each in read.variables if each.name.startswith(("outcome", "event", "time"))]


def test_shared_code_15_has_no_label(shared, tmp_path):
    result = load("code-15", shared / "data" / "code-15", tmp_path / "out")
    assert (result.records, result.outcome, {row["label"] for row in table(result)}) == (508, "", {""})
    assert "pretrain" in result.commands[0]
