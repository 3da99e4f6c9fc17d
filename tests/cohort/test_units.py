"""If a table has another unit than it seems, the proposed remedy gives the correct value."""

import pytest

from cardiograph.cohort.draft import known_variables
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import CohortError
from cardiograph.schema import DEFAULT_VARIABLES, NT_PROBNP


def cohort(path, **options):
    return read_cohort(path, CohortConfig(**options), outcome="x")


def remedies(path, **options):
    with pytest.raises(CohortError) as caught:
        cohort(path, **options)
    return {issue.remedy for issue in caught.value.issues}


def test_an_age_of_300_is_a_word_for_over_89_and_not_a_number_of_months(shared):
    path = shared.parent / "cases" / "age_300.csv"
    (remedy,) = remedies(path)
    assert "over 89" in remedy
    assert "--missing age=300" in remedy
    assert "months" not in remedy
    ages = cohort(path, missing=["age=300"]).table["age"]
    assert ages.isna().sum() == 3
    assert ages.min() > 18


def test_pressures_in_centimetres_of_mercury_are_named(shared):
    path = shared.parent / "cases" / "bp_cm.csv"
    assert remedies(path) == remedies(path, convert={"sbp": "systolic/diastolic"})
    assert remedies(path) == {"if it is in cmHg: --convert sbp=cmHg"}
    assert cohort(path, convert={"sbp": "cmHg"}).table["sbp"].head(3).tolist() == [160, 150, 150]


def test_nt_probnp_is_a_variable_of_its_own_and_never_to_be_emptied(shared):
    path = shared.parent / "cases" / "nt12000.csv"
    for remedy in remedies(path, map={"bnp": "NTproBNP"}):
        assert "--map ntprobnp=NTproBNP" in remedy
        assert "empty" not in remedy
    assert remedies(path) == {"did you mean --map ntprobnp=NTproBNP? If it is something else, rename or remove it"}
    found = cohort(path, map={"ntprobnp": "NTproBNP"})
    assert [variable.name for variable in found.variables] == ["ef", "nyha", "sbp", "age", "ntprobnp"]
    assert found.table["ntprobnp"].max() > 12_000


def test_a_model_without_nt_probnp_leaves_the_column_unread_whatever_it_holds(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("label,ef,bnp,NTproBNP,ntprobnp\n1,0.4,200,high,high\n0,0.6,50,x,x\n")
    found = read_cohort(path, CohortConfig(), outcome="x", reads=["ef", "bnp"])
    assert [variable.name for variable in found.variables] == ["ef", "bnp"]


def test_variables_of_a_configuration_keep_their_order():
    config = CohortConfig(variables=[{"name": "ntprobnp", "low": 1, "high": 9}, {"name": "k", "low": 1, "high": 9}])
    assert [each.name for each in known_variables(config)][5:] == ["ntprobnp", "k"]
    assert known_variables(CohortConfig()) == (*DEFAULT_VARIABLES, NT_PROBNP)
