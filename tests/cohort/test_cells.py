"""A clinical cell is parsed to a number or to one fault."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.cohort.cells import (
    CellFault,
    Reading,
    counted_cells,
    find_unit,
    fitting_units,
    out_of_range,
    read_value,
    unit_in_header,
    units_of,
)
from cardiograph.schema import KNOWN_VARIABLES, ClinicalVariable

KNOWN = {variable.name: variable for variable in KNOWN_VARIABLES}


def reading(name, convert=None, **options):
    variable = KNOWN[name]
    unit = find_unit(variable, convert) if convert else units_of(variable)[0]
    return Reading(variable, unit, convert is not None, column=name, **options)


def judged(name, *cells, convert=None):
    """The reading of a column with the units that all of its cells fit."""
    plain = reading(name, convert)
    return dataclasses.replace(plain, candidates=fitting_units(counted_cells(cells), plain))


@pytest.mark.parametrize(
    ("name", "cell", "code", "option"),
    [
        ("bnp", "134 pmol/L", "unit_in_cell", "--convert bnp=pmol/L"),
        ("bnp", "0.2 ng/mL", "unit_in_cell", "--convert bnp=ng/mL"),
        ("bnp", "134 stone", "unit_in_cell", "number alone"),
        ("ef", "45%", "unit_in_cell", "--convert ef=percent"),
        ("ef", "45 %", "unit_in_cell", "--convert ef=percent"),
        ("nyha", "II", "nyha_text", "--convert nyha=roman"),
        ("nyha", "NYHA III", "nyha_text", "--convert nyha=roman"),
        ("nyha", "class 2", "nyha_text", "--convert nyha=roman"),
        ("nyha", "II-III", "not_a_number", "correct it"),
        ("sbp", "140/80", "two_pressures", "--convert sbp=systolic/diastolic"),
        ("sbp", "140 / 80", "two_pressures", "--convert sbp=systolic/diastolic"),
        ("ef", "0,45", "decimal_comma", "--decimal ,"),
        ("bnp", "1,250", "thousands", "--decimal ,"),
        ("bnp", "1,250.5", "thousands", "without thousands separators"),
        ("bnp", "1 250", "thousands", "without thousands separators"),
        ("bnp", "1'250", "thousands", "without thousands separators"),
        ("bnp", "<10", "bound", "a bound is not a value"),
        ("bnp", ">5000", "bound", "a bound is not a value"),
        ("bnp", "NA", "missing_word", "--missing bnp=NA"),
        ("bnp", "nan", "missing_word", "--missing bnp=nan"),
        ("bnp", "?", "missing_word", "--missing bnp='?'"),
        ("bnp", "inf", "not_finite", "leave the cell empty"),
        ("bnp", "-Infinity", "not_finite", "leave the cell empty"),
        ("bnp", "1e999", "not_a_number", "correct it"),
        ("age", "True", "boolean", "1 or 0"),
        ("age", "2020-01-31", "date", "--map"),
        ("age", "31.01.1950", "date", "--map"),
        ("age", "1_000", "not_a_number", "correct it"),
        ("age", "٤٥", "not_a_number", "correct it"),
        ("age", "70 years", "unit_in_cell", "--convert age=years"),
        ("age", "seventy", "not_a_number", "correct it"),
        ("age", "--5", "not_a_number", "correct it"),
    ],
)
def test_a_text_that_is_no_plain_number_is_named_with_its_option(name, cell, code, option):
    fault = read_value(cell, judged(name, cell))
    assert isinstance(fault, CellFault)
    assert fault.code == code
    assert option in fault.remedy
    assert KNOWN[name].allowed in fault.rule


@pytest.mark.parametrize(
    ("name", "value", "code", "option"),
    [
        ("ef", 45.0, "other_unit", "--convert ef=percent"),
        ("bnp", 0.15, "other_unit", "--convert bnp=ng/mL"),
        ("sbp", 16.0, "other_unit", "--convert sbp=kPa"),
        ("age", 840.0, "other_unit", "--convert age=months"),
        ("sbp", 999.0, "sentinel", "--missing sbp=999"),
        ("ef", -9.0, "sentinel", "--missing ef=-9"),
        ("age", -1.0, "sentinel", "--missing age=-1"),
        ("nyha", 5.0, "out_of_range", "check the unit"),
        ("bnp", 50000.0, "out_of_range", "--map ntprobnp=bnp"),
        ("ntprobnp", 90000.0, "out_of_range", "raise the limit under [[cohort.variables]]"),
        ("ntprobnp", 0.9, "other_unit", "--convert ntprobnp=ng/mL"),
        ("age", 300.0, "sentinel", "write 90, or empty these cells with --missing age=300"),
    ],
)
def test_a_number_out_of_range_is_named_with_the_likeliest_option(name, value, code, option):
    fault = out_of_range(value, value, judged(name, value))
    assert fault.code == code
    assert option in fault.remedy
    assert fault.rule == f"allowed {KNOWN[name].allowed}"


@pytest.mark.parametrize(
    ("name", "unit", "cell", "value"),
    [
        ("ef", "percent", "45", 0.45),
        ("ef", "%", "45 %", 0.45),
        ("bnp", "pmol/L", "100", 346.4),
        ("bnp", "pmol/l", "100 pmol/L", 346.4),
        ("bnp", "ng/mL", "0.25", 250.0),
        ("bnp", "ng/L", "250", 250.0),
        ("bnp", "pg/mL", "250 pg/mL", 250.0),
        ("nyha", "roman", "II", 2.0),
        ("nyha", "roman", "NYHA iv", 4.0),
        ("nyha", "roman", "class: 3", 3.0),
        ("nyha", "roman", "1", 1.0),
        ("sbp", "systolic/diastolic", "140/80", 140.0),
        ("sbp", "systolic/diastolic", "140", 140.0),
        ("sbp", "kPa", "16", 120.009872),
        ("sbp", "cmHg", "16/9", 160.0),
        ("sbp", "cmHg", "16.5/9", 165.0),
        ("sbp", "cmHg", "9", 90.0),
        ("ntprobnp", "pmol/L", "100", 845.7),
        ("ntprobnp", "ng/mL", "1.2", 1200.0),
        ("age", "months", "18", 1.5),
    ],
)
def test_a_named_unit_converts(name, unit, cell, value):
    assert read_value(cell, reading(name, unit)) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "unit", "cell"),
    [
        ("bnp", "pmol/L", "134 pg/mL"),
        ("ef", "percent", "0.45 fraction"),
        ("nyha", "roman", "V"),
        ("nyha", "roman", "IIa"),
        ("sbp", "systolic/diastolic", "80/140"),
    ],
)
def test_a_named_unit_does_not_excuse_other_texts(name, unit, cell):
    assert isinstance(read_value(cell, reading(name, unit)), CellFault)


def test_a_unit_is_proposed_only_where_the_whole_column_fits_it():
    assert judged("age", 70, 56, 300, 300).candidates == ()
    assert [unit.name for unit in judged("age", 840, 720, 90).candidates] == ["months"]
    assert judged("ef", 0.35, 45).candidates == ()
    assert [unit.name for unit in judged("ef", "35", "45 %", "NA").candidates] == ["percent"]
    assert [unit.name for unit in judged("sbp", "16/9", "9/8").candidates] == ["cmHg"]
    assert judged("sbp", "16/9", "120/80").candidates == ()
    assert [unit.name for unit in judged("nyha", "2", "2", "III").candidates] == ["roman"]


def test_numbers_that_fit_two_units_name_both():
    fault = out_of_range(16.0, 16.0, judged("sbp", 16, 15, 9))
    assert "if it is in cmHg (times 10): --convert sbp=cmHg" in fault.remedy
    assert "if it is in kPa (times 7.5): --convert sbp=kPa" in fault.remedy


def test_a_value_in_another_unit_than_its_column_is_not_to_lose_its_unit():
    fault = read_value("134 pmol/L", judged("bnp", "134 pmol/L", "88", "90", "75"))
    assert fault.remedy == "the column as a whole is not in pmol/L: write the value in pg/mL (times 3.464)"


def test_declared_missing_values_are_missing_and_others_are_not():
    missing = reading("bnp", missing=frozenset({"999", "n.k.", "-1"}))
    assert math.isnan(read_value("", missing))
    for cell in ("999", "999.0", 999, 999.0, "n.k.", "-1"):
        assert math.isnan(read_value(cell, missing))
    assert read_value("998", missing) == 998
    assert read_value("99", missing) == 99


@given(st.floats(-1e12, 1e12))
def test_a_number_written_plainly_is_read_back_exactly(value):
    assert read_value(repr(value), reading("bnp")) == value
    assert read_value(value, reading("bnp")) == value
    assert read_value(repr(value).replace(".", ","), reading("bnp", decimal=",")) == value


@given(st.text(max_size=12).map(str.strip))
def test_any_text_is_a_finite_number_missing_or_a_fault(text):
    for name in KNOWN:
        result = read_value(text, reading(name))
        if isinstance(result, CellFault):
            assert result.code
            assert result.remedy
        else:
            assert math.isfinite(result) or text == ""


def test_bnp_factor_is_the_molar_mass_of_the_peptide():
    # Average residue masses (IUPAC atomic weights); BNP-32 with one disulphide bridge (UniProt P16860, 103-134).
    masses = {"G": 57.0519, "A": 71.0788, "S": 87.0782, "P": 97.1167, "V": 99.1326, "C": 103.1388, "L": 113.1594}
    masses |= {"I": 113.1594, "D": 115.0886, "Q": 128.1307, "K": 128.1741, "M": 131.1926, "H": 137.1411}
    masses |= {"F": 147.1766, "R": 156.1875}
    mass = sum(masses[residue] for residue in "SPKMVQGSGCFGRKMDRISSSSGLGCKVLRRH") + 18.0153 - 2 * 1.00794
    assert find_unit(KNOWN["bnp"], "pmol/L").factor == pytest.approx(mass / 1000, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "header", "unit"),
    [
        ("bnp", "bnp_pmol_l", "pmol/L"),
        ("bnp", "BNP (pmol/L)", "pmol/L"),
        ("bnp", "bnp_ng_ml", "ng/mL"),
        ("bnp", "BNP [ng/mL]", "ng/mL"),
        ("ef", "EF (%)", "percent"),
        ("ef", "ef_percent", "percent"),
        ("sbp", "sbp_kPa", "kPa"),
        ("sbp", "BP sys/dia", "systolic/diastolic"),
        ("age", "age_months", "months"),
        ("bnp", "bnp", None),
        ("bnp", "BNP (pg/mL)", None),
        ("ef", "Ejection_Fraction", None),
        ("sbp", "sbp_mmHg", None),
        ("nyha", "NYHA class", None),
    ],
)
def test_a_unit_in_a_column_name_is_seen(name, header, unit):
    found = unit_in_header(KNOWN[name], header)
    assert (found.name if found else None) == unit


def test_a_variable_with_another_unit_of_its_own_has_no_factors():
    molar = ClinicalVariable("bnp", "BNP", "pmol/L", 1, 3000)
    assert [unit.name for unit in units_of(molar)] == ["pmol/L"]
