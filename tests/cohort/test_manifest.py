"""A valid table becomes a cohort; an invalid one gives an error with all its faults."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardiograph.cohort.draft import known_variables
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import load_config
from cardiograph.config_reading import CohortConfig, VariableConfig
from cardiograph.errors import CohortError
from cardiograph.schema import DEFAULT_VARIABLES

CONFIGS = Path(__file__).parents[2] / "configs"
GOOD = """patient_id,ecg,label,ef,bnp,nyha,sbp,age,site,acquired_at,ward
p1,scans/1.png,1,0.34,463.5,3,132,70,A,2024-03-01,7
p1,scans/2.png,1,0.31,,3,128,70,A,2024-06-01,7
p2,/data/3.png,0,.61,88,1,118.5,54,B,,9
p3,scans/4.png,,,,,,,,,
"""


def test_a_table_is_read_as_it_stands(read, tmp_path):
    cohort = read(GOOD)
    table = cohort.table
    assert list(cohort.record_ids) == ["p1", "p1:2", "p2", "p3"]
    assert cohort.labels.tolist() == [1, 1, 0, -1]
    assert table["class_name"].tolist() == ["1", "1", "0", ""]
    assert table["ecg"][0] == str(tmp_path / "scans/1.png")
    assert table["ecg"][2] == "/data/3.png"
    assert table["ef"].tolist()[:3] == [0.34, 0.31, 0.61]
    assert math.isnan(table["bnp"][1])
    assert table["split"].tolist() == [None] * 4
    assert table["site"].tolist() == ["A", "A", "B", None]
    assert cohort.variables == DEFAULT_VARIABLES
    assert cohort.has_pages
    assert not cohort.synthetic
    assert cohort.outcome == "heart failure"
    assert table.index.tolist() == [0, 1, 2, 3]


def test_a_column_that_nothing_reads_is_recorded_and_not_kept(read):
    table = read(GOOD).table
    assert table.attrs["ignored_columns"] == ["ward"]
    assert "ward" not in table.columns


def test_every_fault_of_a_table_comes_in_one_error_in_the_order_of_the_rows(faults):
    error = faults("""record_id,label,ef,bnp,nyha,sbp,age
a,1,45,134 pmol/L,II,140/80,70
b,maybe,"0,45",88,1,999,inf
b,0,0.5,88,2.5,120,50
""")
    found = [(issue.where, issue.column, issue.value, issue.code) for issue in error.issues]
    assert found == [
        ("row 2 (record 'a')", "ef", "45", "out_of_range"),
        ("row 2 (record 'a')", "bnp", "134 pmol/L", "unit_in_cell"),
        ("row 2 (record 'a')", "nyha", "II", "nyha_text"),
        ("row 2 (record 'a')", "sbp", "140/80", "two_pressures"),
        ("row 3 (record 'b')", "label", "maybe", "label"),
        ("row 3 (record 'b')", "ef", "0,45", "decimal_comma"),
        ("row 3 (record 'b')", "sbp", "999", "sentinel"),
        ("row 3 (record 'b')", "age", "inf", "not_finite"),
        ("row 4 (record 'b')", "record_id", "b", "record_id_twice"),
        ("row 4 (record 'b')", "nyha", "2.5", "not_whole"),
    ]
    assert "10 faults" in error.headline
    assert error.exit_code == 3


def test_faults_of_file_header_options_and_cells_come_together(faults):
    error = faults(
        "patient_id,label,EF,bnp,bnp\np1,1,0.4,50,50\np2,0,0.4,999999,50\np3,0\n",
        map={"sbp": "SBP"},
        convert={"bnp": "stone"},
    )
    assert [issue.code for issue in error.issues] == [
        "duplicate_column",
        "ragged_row",
        "map_missing_column",
        "column_name",
        "convert_unknown_unit",
        "out_of_range",
    ]


def test_options_fix_what_the_errors_name(read):
    cohort = read(
        """Patient,Death,EF (%),NTproBNP pmol/L,NYHA class,BP,Years
p1;,1,"45,5",100,NYHA II,140/80,70
p2,0,60 %,999,3,120/70,n.k.
""",
        map={
            "patient_id": "Patient",
            "label": "Death",
            "ef": "EF (%)",
            "bnp": "NTproBNP pmol/L",
            "nyha": "NYHA class",
            "sbp": "BP",
            "age": "Years",
        },
        convert={"ef": "percent", "bnp": "pmol/L", "nyha": "roman", "sbp": "systolic/diastolic"},
        missing=("999", "n.k."),
        decimal=",",
    )
    values = cohort.table[["ef", "bnp", "nyha", "sbp", "age"]].to_numpy()
    expected = [[0.455, 346.4, 2, 140, 70], [0.60, math.nan, 3, 120, math.nan]]
    np.testing.assert_allclose(values, expected)
    assert {"variable": "bnp", "column": "NTproBNP pmol/L", "unit": "pmol/L", "factor": 3.464} in cohort.table.attrs[
        "conversions"
    ]
    assert any("a different peptide from NT-proBNP" in note for note in cohort.table.attrs["notes"])


@pytest.mark.parametrize(
    ("name", "separator"), [("cohort.csv", ","), ("cohort.tsv", "\t"), ("cohort.tab", "\t"), ("COHORT.CSV", ",")]
)
def test_text_tables_by_their_ending(read, name, separator):
    assert len(read(GOOD.replace(",", separator), name)) == 4


def test_typed_parquet_gives_the_same_cohort_as_text(read, tmp_path):
    from_text = read(GOOD).table
    frame = pd.read_csv(tmp_path / "cohort.csv", parse_dates=["acquired_at"])
    frame["label"] = frame["label"].astype("Int64")
    frame.to_parquet(tmp_path / "cohort.parquet")
    typed = read_cohort(tmp_path / "cohort.parquet", CohortConfig(), outcome="x").table
    columns = [name for name in from_text.columns if name != "acquired_at"]
    pd.testing.assert_frame_equal(typed[columns], from_text[columns])
    assert typed["acquired_at"][0].startswith("2024-03-01")


def test_parquet_numbers_are_held_against_the_same_limits(tmp_path):
    frame = pd.DataFrame({"patient_id": [7, 8], "label": [True, False], "ef": [45.0, np.inf], "nyha": [2.5, 9]})
    frame.to_parquet(tmp_path / "c.parquet")
    with pytest.raises(CohortError) as caught:
        read_cohort(tmp_path / "c.parquet", CohortConfig(), outcome="x")
    codes = [(issue.where, issue.column, issue.code) for issue in caught.value.issues]
    assert codes == [
        ("row 1", "label", "label"),
        ("row 1", "ef", "other_unit"),
        ("row 1", "nyha", "not_whole"),
        ("row 2", "label", "label"),
        ("row 2", "ef", "not_finite"),
        ("row 2", "nyha", "out_of_range"),
    ]
    frame = pd.DataFrame({"patient_id": [7, 8], "label": [True, False], "ef": [0.4, 0.5]})
    frame.to_parquet(tmp_path / "c.parquet")
    cohort = read_cohort(tmp_path / "c.parquet", CohortConfig(positive=("True",)), outcome="x")
    assert cohort.labels.tolist() == [1, 0]
    assert cohort.table["patient_id"].tolist() == ["7", "8"]


@pytest.mark.parametrize(
    ("modality", "pages", "count"), [("auto", True, 5), ("image", True, 0), ("clinical", False, 5)]
)
def test_the_modality_chooses_the_blocks(read, modality, pages, count):
    whole = GOOD.replace("p3,scans/4.png,,,,,,,,,\n", "")  # the last record has a page alone
    cohort = read(whole, modality=modality)
    assert cohort.has_pages is pages
    assert len(cohort.variables) == count


def test_faults_of_an_unused_block_do_not_matter(read):
    text = "label,ecg,ef\n1,,45\n0,a.png,0.4\n"
    with pytest.raises(CohortError, match="ef is 45"):
        read(text)
    assert len(read(text.replace("45", "0.45"), modality="clinical")) == 2
    assert len(read(text.replace(",,", ",b.png,"), modality="image", convert={"ef": "percent"})) == 2


def test_a_record_without_a_page_is_known_by_its_values(read):
    table = read("patient_id,label,ecg,ef\np1,1,a.png,\np2,0,,0.5\n").table
    assert table["ecg"].isna().tolist() == [False, True]
    assert table["ef"].isna().tolist() == [True, False]


def test_records_with_neither_page_nor_value_are_all_named(faults):
    error = faults("patient_id,label,ecg,ef\np1,1,a.png,0.4\np2,0,,\np3,1,,0.5\np4,0,,\n")
    assert [(issue.where, issue.code) for issue in error.issues] == [
        ("row 3", "nothing_known"),
        ("row 5", "nothing_known"),
    ]
    assert "clinical value" in error.issues[0].rule


def test_in_a_cohort_of_values_each_record_needs_one(faults, read):
    error = faults("patient_id,label,ef,bnp\np1,1,0.4,\np2,0,,\np3,0,,999\n", missing=["bnp=999"])
    assert [(issue.where, issue.code) for issue in error.issues] == [
        ("row 3", "nothing_known"),
        ("row 4", "nothing_known"),
    ]
    assert "at least one clinical value (ef, bnp)" in error.issues[0].rule
    assert "remove the row" in error.issues[0].remedy


def test_an_invalid_cell_is_reported_once(faults):
    error = faults("label,ecg,ef\n1,a.png,0.4\n0,,45\n")
    assert [issue.code for issue in error.issues] == ["out_of_range"]


def test_the_modality_decides_what_counts_as_known(faults, read):
    text = "label,ecg,ef\n1,a.png,0.4\n0,b.png,\n"
    assert [issue.code for issue in faults(text, modality="clinical").issues] == ["nothing_known"]
    assert len(read(text, modality="image")) == len(read(text)) == 2


def test_a_table_of_pages_without_clinical_columns_needs_every_page(faults):
    (issue,) = faults("label,ecg\n1,a.png\n0,\n").issues
    assert (issue.where, issue.code) == ("row 3", "no_page")


def test_patients_to_be_scored_may_lack_the_page(tmp_path):
    (tmp_path / "new.csv").write_text("record_id,ecg,ef\na,,0.4\nb,p.png,\n")
    cohort = read_cohort(tmp_path / "new.csv", CohortConfig(), outcome="x", labelled=False)
    assert cohort.table["ecg"].isna().tolist() == [True, False]
    (tmp_path / "new.csv").write_text("record_id,ecg,ef\na,,0.4\nb,,0.5\n")
    assert not read_cohort(tmp_path / "new.csv", CohortConfig(), outcome="x", labelled=False).has_pages
    (tmp_path / "new.csv").write_text("record_id,ecg,ef\na,,0.4\nb,,\nc,,\n")
    with pytest.raises(CohortError) as caught:
        read_cohort(tmp_path / "new.csv", CohortConfig(), outcome="x", labelled=False)
    assert [issue.where for issue in caught.value.issues] == ["row 3 (record 'b')", "row 4 (record 'c')"]


def test_among_pages_alone_each_record_needs_one(faults):
    error = faults("patient_id,label,ecg,ef\np1,1,a.png,0.4\np2,0,,0.5\n", modality="image")
    (issue,) = error.issues
    assert (issue.where, issue.column, issue.code) == ("row 3", "ecg", "no_page")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("patient_id,ef\np,0.4\n", "no_label"),
        ("patient_id,label\np,1\nq,0\n", "no_modality"),
        ("label,ef\n1,0.4\n1,0.5\n", "one_class"),
        ("label,ef\n,0.4\n,0.5\n", "no_labels"),
        ("label,ecg\n1,\n0,\n", "no_pages"),
        ("label,ef,split\n1,0.4,train\n0,0.5,\n", "split_part"),
        ("label,ef,split\n1,0.4,train\n0,0.5,validation\n", "split_part"),
        ("record_id,label,ef\n,1,0.4\nb,0,0.5\n", "record_id_empty"),
        ("patient_id,label,ef\nNA,1,0.4\nb,0,0.5\n", "patient_id_word"),
    ],
)
def test_what_a_cohort_cannot_do_without(faults, text, code):
    assert [issue.code for issue in faults(text).issues] == [code]


def test_an_empty_split_column_is_none(read):
    assert read("label,ef,split\n1,0.4,\n0,0.5,\n").table["split"].tolist() == [None, None]


def test_record_names_do_not_change_when_rows_are_added(read):
    first = read("patient_id,label,ecg\np1,1,a.png\n,0,a.png\n,0,b.png\n").record_ids
    more = read("patient_id,label,ecg\np1,1,a.png\n,0,a.png\n,0,b.png\np1,1,c.png\n,0,b.png\n").record_ids
    assert list(first) == ["p1", "a.png", "b.png"]
    assert list(more) == ["p1", "a.png", "b.png", "p1:2", "b.png:2"]
    taken = read("patient_id,label,ef\np1,1,0.4\np1,0,0.5\np1:2,0,0.5\n").record_ids
    assert list(taken) == ["p1", "p1:3", "p1:2"]
    assert list(read("label,ef\n1,0.4\n0,0.5\n").record_ids) == ["row-2", "row-3"]


def test_a_variable_of_the_configuration_is_read_and_one_of_the_five_takes_other_limits(read, faults):
    sodium = VariableConfig(name="sodium", unit="mmol/L", low=90, high=180)
    percent = VariableConfig(name="ef", unit="%", low=5, high=90)
    cohort = read("label,ef,sodium\n1,40,135\n0,55,\n", variables=(sodium, percent))
    assert [variable.name for variable in cohort.variables] == ["ef", "sodium"]
    assert cohort.table["ef"].tolist() == [40, 55]
    error = faults("label,ef,sodium\n1,40,13.5\n0,55,\n", variables=(sodium, percent))
    assert "allowed 90-180 mmol/L" in str(error)
    error = faults("label,ef\n1,40\n0,55\n", variables=(percent,), convert={"ef": "percent"})
    assert "ef can be written in: %" in str(error)
    with pytest.raises(CohortError, match="fixed column"):
        known_variables(CohortConfig(variables=(VariableConfig(name="site", low=0, high=1),)))


def test_a_table_with_its_own_synthetic_json_is_synthetic(read, tmp_path):
    truth = tmp_path / "synthetic.json"
    truth.write_text(json.dumps({"cohort_sha256": hashlib.sha256(GOOD.encode()).hexdigest()}))
    assert read(GOOD).synthetic
    changed = read(GOOD + "p4,scans/5.png,0,0.5,80,1,120,50,A,,\n")
    assert not changed.synthetic
    assert any("synthetic.json" in note for note in changed.table.attrs["notes"])
    for damaged in ("{}", "not json", "[]"):
        truth.write_text(damaged)
        assert not read(GOOD).synthetic


def test_repeated_sentinels_within_the_limits_are_remarked_upon(read):
    text = "label,bnp\n1,999\n0,999\n1,999\n0,80\n1,90\n"
    assert "--missing bnp=999" in " ".join(read(text).table.attrs["notes"])


def test_equal_rows_and_patients_of_two_spellings_are_remarked_upon(read):
    notes = read("patient_id,label,ef\nP1,1,0.4\np1,0,0.5\n7,1,0.5\n007,0,0.4\n7,1,0.5\n").table.attrs["notes"]
    assert notes == [
        "1 row(s) equal an earlier row in every column; all are kept",
        "'P1' and 'p1' are treated as two patients; if they are one, use one spelling",
        "'7' and '007' are treated as two patients; if they are one, use one spelling",
    ]


def test_a_column_far_too_small_for_its_unit_has_to_be_declared(read, faults):
    text = "label,bnp\n1,2.5\n0,1.25\n1,3\n0,1.1\n1,1.9\n"
    (issue,) = faults(text).issues
    assert (issue.where, issue.column, issue.code) == ("column", "bnp", "unit_of_column")
    assert read(text, convert={"bnp": "ng/mL"}).table["bnp"][0] == 2500
    assert read(text, convert={"bnp": "pg/mL"}).table["bnp"][0] == 2.5


def test_a_unit_in_the_name_of_a_column_has_to_be_declared(read, faults):
    text, mapping = "label,BNP (pmol/L)\n1,50\n0,25\n", {"bnp": "BNP (pmol/L)"}
    (issue,) = faults(text, map=mapping).issues
    assert (issue.where, issue.column, issue.code) == ("header", "bnp", "unit_in_header")
    assert read(text, map=mapping, convert={"bnp": "pmol/L"}).table["bnp"][0] == pytest.approx(173.2)
    assert read(text, map=mapping, convert={"bnp": "pg/mL"}).table["bnp"][0] == 50


def test_a_conversion_of_a_column_that_is_not_there_is_a_fault(faults):
    (issue,) = faults("label,ef\n1,0.4\n0,0.5\n", convert={"bnp": "pmol/L"}).issues
    assert issue.code == "convert_unknown_variable"
    assert "the clinical columns are: ef" in issue.remedy


def test_a_label_declared_missing_is_not_known(read):
    assert read("label,ef\n1,0.4\n0,0.5\nn.k.,0.5\n", missing=("n.k.",)).labels.tolist() == [1, 0, -1]


def test_the_table_and_its_metadata_survive_parquet(read, tmp_path):
    table = read(GOOD).table
    table.to_parquet(tmp_path / "again.parquet")
    assert pd.read_parquet(tmp_path / "again.parquet").attrs == table.attrs


def test_the_heart_failure_table_of_uci_with_its_configuration(shared):
    config = load_config(CONFIGS / "uci.toml")
    cohort = read_cohort(
        shared / "uci-heart-failure/heart_failure_clinical_records.csv", config.cohort, outcome=config.outcome
    )
    assert len(cohort) == 299
    assert cohort.labels.sum() == 96
    assert not cohort.has_pages
    assert cohort.table["patient_id"].isna().all()
    assert cohort.table["ef"].between(0.14, 0.80).all()
    assert len(cohort.variables) == 11
    assert cohort.table.attrs["ignored_columns"] == ["Time"]


def test_the_heart_failure_table_of_uci_without_options_says_what_to_do(shared):
    path = shared / "uci-heart-failure/heart_failure_clinical_records.csv"
    with pytest.raises(CohortError) as caught:
        read_cohort(path, CohortConfig(), outcome="x")
    assert "--map label=Death_Event" in str(caught.value)
    assert "--map age=Age" in str(caught.value)
    mapping = {"label": "Death_Event", "ef": "Ejection_Fraction", "age": "Age"}
    with pytest.raises(CohortError) as caught:
        read_cohort(path, CohortConfig(map=mapping), outcome="x")
    assert len(caught.value.issues) == 299
    assert {issue.remedy for issue in caught.value.issues} == {"if it is in percent: --convert ef=percent"}
    cohort = read_cohort(path, CohortConfig(map=mapping, convert={"ef": "percent"}), outcome="x")
    assert [variable.name for variable in cohort.variables] == ["ef", "age"]


def test_the_manifest_of_the_shared_pages_is_a_cohort(shared):
    config = CohortConfig(
        map={"ecg": "image", "label": "class"},
        positive=("abnormal_heartbeat", "history_of_mi", "myocardial_infarction"),
    )
    cohort = read_cohort(shared / "ecg-pages/manifest.csv", config, outcome="not normal")
    assert len(cohort) == 690
    assert cohort.table["ecg"].nunique() == 367
    assert (cohort.labels == 0).sum() == 212
    assert cohort.variables == ()


def test_a_missing_value_named_for_a_column_leaves_the_others_alone(read):
    text = "label,nyha,age\n1,99,99\n0,2,50\n1,1,60\n"
    table = read(text, missing=["nyha=99"]).table
    assert table["nyha"].isna().tolist() == [True, False, False]
    assert table["age"].tolist() == [99, 50, 60]
    assert "nyha: 1 cells hold a value that --missing declares as 'not measured'" in table.attrs["notes"]


def test_a_missing_zero_does_not_empty_the_labels(read):
    table = read("label,bnp,age\n1,0,70\n0,80,60\n1,90,50\n0,100,40\n", missing=["0"]).table
    assert table["label"].tolist() == [1, 0, 1, 0]
    assert table["bnp"].isna().tolist() == [True, False, False, False]
