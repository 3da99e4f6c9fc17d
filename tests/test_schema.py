"""Clinical variables have ranges, units, categories and aliases."""

import dataclasses
import json
import re

import pytest
from pydantic import ValidationError

from cardiograph.config_reading import VariableConfig
from cardiograph.schema import KNOWN, ClinicalVariable

SEX = VariableConfig(name="sex", categories=("female|f|w", "male|m")).variable()


def test_the_value_of_a_word_is_its_place_whatever_its_spelling():
    assert [SEX.category(text) for text in ("female", "F", "w", "Male", " m ", "1", "x")] == [0, 0, 0, 1, 1, None, None]
    assert (SEX.low, SEX.high, SEX.whole) == (0, 1, True)
    assert SEX.allowed == "0 = female, 1 = male"


def test_a_value_is_shown_as_its_word():
    assert [SEX.word(value) for value in (0, 1.0, 2, 0.5, None)] == ["female", "male", "", "", ""]
    assert SEX.unit_of(1.0) == "(male)"
    assert ClinicalVariable("sbp", "pressure", "mmHg", 50, 300).unit_of(1.0) == "mmHg"


def test_a_variable_comes_back_from_json():
    assert ClinicalVariable(**json.loads(json.dumps(dataclasses.asdict(SEX)))) == SEX


@pytest.mark.parametrize(
    "settings",
    [
        {"categories": ["male"]},
        {"categories": ["male|m", "M"]},
        {"categories": ["male", ""]},
        {"categories": ["a", "b"], "low": 1, "high": 2},
        {"categories": ["a", "b"], "transform": "log"},
        {"low": 1},
    ],
)
def test_categories_are_words_of_their_own_and_need_no_limits(settings):
    with pytest.raises(ValidationError):
        VariableConfig(name="sex", **settings)


def test_an_alias_is_written_as_it_is_compared_and_names_one_variable():
    aliases = [alias for known in KNOWN for alias in (*known.aliases, known.variable.name)]
    assert all(re.fullmatch("[a-z0-9]+", alias) for alias in aliases)
    assert len(set(aliases)) == len(aliases)
