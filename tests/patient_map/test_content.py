"""Content of the map as JSON, counted by hand."""

import json

import numpy as np
import pytest

from cardiograph.patient_map.assets import embedded
from cardiograph.patient_map.content import THIS_PATIENT, Column, PatientMap, with_patient

MAP = PatientMap(
    rows=np.array([4, 2, 0]),
    xy=np.array([[0.0, 1.0], [-1.0, 0.5], [0.25, -0.123456]]),
    part=np.array(["train", "train", "test"]),
    neighbours=np.array([[1, -1], [0, -1], [-1, 1]]),
    distances=np.array([[2.0, np.inf], [2.0, np.inf], [1.0, 3.14159]]),
    records=7,
)


def plain(columns=()):
    return MAP.plain(["a", "b", "</script>"], columns, {"k": 2, "metric": "euclidean"})


def test_links_to_records_outside_the_map_are_left_out_with_their_distances():
    found = plain()
    assert found["neighbours"] == [[1], [0], [1]]
    assert found["distances"] == [[2.0], [2.0], [3.142]]
    assert (found["part"], found["of"], found["y"]) == ([0, 0, 2], 7, [1.0, 0.5, -0.1235])


def test_numbers_keep_their_gaps_and_texts_become_categories():
    numbers = Column("age", np.array([50.0, np.nan, 61.5]), "years")
    texts = Column("Site", ["north", "", "east"])
    found = plain([numbers, texts])["columns"]
    assert found[0] == {"title": "age", "unit": "years", "words": [], "values": [50.0, None, 61.5]}
    assert found[1] == {"title": "Site", "unit": "", "words": ["east", "north"], "values": [1.0, None, 0.0]}


def test_embedded_json_cannot_end_its_element():
    text = embedded(plain())
    assert "<" not in text
    assert json.loads(text)["records"][2] == "</script>"


def test_a_new_patient_is_between_its_neighbours_and_nearer_to_the_nearer_one():
    content = plain([Column("age", np.array([50.0, 60.0, 61.5]))])
    found = with_patient(content, [("b", 1.0), ("gone", 1.5), ("a", 3.0)], {"age": 70.0})
    assert found["records"][-1] == found["chosen"] == THIS_PATIENT
    assert found["neighbours"][-1] == [1, 0]
    assert found["distances"][-1] == [1.0, 3.0]
    assert (found["x"][-1], found["y"][-1]) == (pytest.approx(-0.75), pytest.approx(0.625))
    assert found["columns"][0]["values"] == [50.0, 60.0, 61.5, 70.0]
    assert len(content["records"]) == 3, "the content itself is not changed"


def test_a_patient_without_a_neighbour_on_the_map_is_in_the_middle():
    found = with_patient(plain(), [], {})
    assert (found["x"][-1], found["neighbours"][-1]) == (0.0, [])
