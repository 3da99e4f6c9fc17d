"""The RiskAssessment is what HL7's schema and invariants allow, and says what the answer says."""

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from jsonschema import Draft6Validator

from cardiograph.config import load_config
from cardiograph.containers import Neighbour, Prediction
from cardiograph.schema import DEFAULT_VARIABLES, KNOWN_VARIABLES, NT_PROBNP, ClinicalVariable
from cardiograph.service.api.fhir import ModelFacts, columns_of, risk_assessment
from cardiograph.service.api.fhir_bundle import r4_schema
from cardiograph.service.api.fhir_codes import CODES, code_of, percentage

SCHEMA = r4_schema()
VALUES = {"ef": 0.29, "bnp": 463.0, "nyha": 3.0, "sbp": 132.0, "age": 70.0}
HEX = "0123456789abcdef" * 4
FACTS = ModelFacts(HEX, "SIGN", DEFAULT_VARIABLES, ("measured",) * 5)
PREDICTION = Prediction(
    probability=0.29,
    positive=True,
    threshold=0.25,
    outcome="heart failure",
    neighbours=(Neighbour("secret-record", 0.5, 1, {"ef": 0.3, "bnp": None}),),
    provenance="431 labelled training records; values measured; for research use",
    warnings=("not given: age; the median of the training records stands in",),
    low=0.14,
    high=0.57,
    decision="positive",
    novelty=0.4,
)


def entry(prediction=PREDICTION, **changes):
    given = {
        "id": "0f" * 16,
        "created_at": datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        "model_sha256": HEX,
        "page_sha256": "ab" * 32,
        "answer": json.loads(json.dumps(prediction.as_dict())),
        "clinical": VALUES,
    }
    return SimpleNamespace(**{**given, **changes})


def checked(resource):
    """The resource, after the schema and the invariants that a schema cannot hold."""
    resource = json.loads(json.dumps(resource, allow_nan=False))
    Draft6Validator(SCHEMA).validate(resource)
    ids = [each["id"] for each in resource["contained"]]
    named = {found["reference"] for found in [resource["performer"], *resource.get("basis", [])]}
    assert named == {f"#{each}" for each in ids}, (
        "each contained resource is referred to, and none that is absent (dom-3)"
    )
    assert len(set(ids)) == len(ids)
    assert not any({"contained", "meta"} & set(each) for each in resource["contained"]), "dom-2, dom-4, dom-5"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", resource["occurrenceDateTime"])
    assert {"status", "subject"} <= set(resource), "required; the schema knows of status only what values it takes"
    for quantity in quantities(resource):
        assert ("system" in quantity) == ("code" in quantity), "qty-3"
        assert quantity.get("system", "http://unitsofmeasure.org") == "http://unitsofmeasure.org"
        assert quantity.get("code", "%") in {"%", "pg/mL", "mm[Hg]", "a"}
    for prediction in resource["prediction"]:
        assert not {"probabilityDecimal", "probabilityRange"} <= set(prediction), "one probability[x]"
        assert prediction.get("probabilityDecimal", 0) <= 100, "ras-2"
        for spread in [prediction[name] for name in ("probabilityRange",) if name in prediction]:
            assert spread["low"]["code"] == spread["high"]["code"] == "%", "ras-1"
            assert spread["low"]["value"] <= spread["high"]["value"], "rng-2"
    assert not any(
        "dataAbsentReason" in each and any(key.startswith("value") for key in each) for each in resource["contained"]
    )
    return resource


def quantities(node):
    if isinstance(node, list):
        node = dict(enumerate(node))
    for each in node.values() if isinstance(node, dict) else ():
        if isinstance(each, dict) and "unit" in each:
            yield each
        yield from quantities(each)


def texts(resource):
    return [note["text"] for note in resource["note"]]


def of_code(resource, code):
    (found,) = (
        each for each in resource["contained"] if any(c["code"] == code for c in each.get("code", {}).get("coding", ()))
    )
    return found


@pytest.mark.parametrize(
    "change",
    [{"subject": ...}, {"status": 3}, {"probability": 0.3}, {"contained": [{"resourceType": "Page"}]}, {"id": "a_b"}],
    ids=str,
)
def test_the_schema_refuses_what_is_none_of_fhir(change):
    resource = {key: each for key, each in {**risk_assessment(entry(), FACTS), **change}.items() if each is not ...}
    assert not Draft6Validator(SCHEMA).is_valid(resource)


def test_probability_and_interval_are_percentages_of_the_same_outcome():
    point, spread = checked(risk_assessment(entry(), FACTS))["prediction"]
    assert point["probabilityDecimal"] == 29
    assert point["outcome"] == spread["outcome"] == {"text": "heart failure"}
    assert (spread["probabilityRange"]["low"]["value"], spread["probabilityRange"]["high"]["value"]) == (14, 57)
    assert point["qualitativeRisk"] == {"text": "positive"}
    assert point["rationale"].startswith("at or above the threshold of 25 %")


@pytest.mark.parametrize(
    ("code", "value", "unit", "ucum"),
    [
        ("10230-1", 29, "%", "%"),
        ("30934-4", 463, "pg/mL", "pg/mL"),
        ("8480-6", 132, "mmHg", "mm[Hg]"),
        ("30525-0", 70, "years", "a"),
    ],
)
def test_a_value_is_an_observation_in_loinc_and_ucum(code, value, unit, ucum):
    found = of_code(checked(risk_assessment(entry(), FACTS)), code)
    assert found["code"]["coding"][0]["system"] == "http://loinc.org"
    result = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": ucum}
    assert found["valueQuantity"] == result


@pytest.mark.parametrize(("value", "answer"), [(1, "LA28404-4"), (2, "LA28405-1"), (3, "LA28406-9"), (4, "LA28407-7")])
def test_a_nyha_class_is_one_of_loincs_answers(value, answer):
    resource = checked(risk_assessment(entry(clinical={"nyha": value}), FACTS))
    assert of_code(resource, "88020-3")["valueCodeableConcept"]["coding"][0]["code"] == answer


def test_a_class_that_settings_added_has_no_answer_of_loinc():
    resource = checked(risk_assessment(entry(clinical={"nyha": 0.0}), FACTS))
    assert of_code(resource, "88020-3")["valueQuantity"] == {"value": 0}


def test_codes_are_those_of_the_default_variables():
    assert set(CODES) == {variable.name for variable in KNOWN_VARIABLES}


def test_a_variable_beyond_the_five_has_words_and_no_code():
    creatinine = ClinicalVariable("creatinine_serum", "serum creatinine", "mg/dL", 0.1, 20)
    other_unit = dataclasses.replace(DEFAULT_VARIABLES[0], unit="percent", low=5, high=90)
    facts = ModelFacts(HEX, "SIGN", (creatinine, other_unit), ("measured",) * 2)
    resource = checked(risk_assessment(entry(clinical={"creatinine_serum": 1.1, "ef": 29}), facts))
    observed = [each for each in resource["contained"] if "valueQuantity" in each]
    assert [each["code"] for each in observed] == [{"text": "serum creatinine"}, {"text": "ejection fraction"}]
    assert [each["valueQuantity"] for each in observed] == [
        {"value": 1.1, "unit": "mg/dL"},
        {"value": 29, "unit": "percent"},
    ]


PRO = ("pro-BNP", "pro_bnp", "PRO BNP", "N-terminal pro-BNP", "nt - pro bnp")


@pytest.mark.parametrize("column", ["NTproBNP", "nt-probnp", "NT_proBNP", "NT proBNP (pg/ml)", "proBNP", *PRO])
def test_a_cohort_that_measured_nt_probnp_is_not_reported_as_bnp(column):
    assert code_of(DEFAULT_VARIABLES[1], {"bnp": column}).code == "33762-6"


def test_nt_probnp_has_its_own_code_whatever_its_column_is_called():
    assert {code_of(NT_PROBNP, columns).code for columns in (None, {}, {"ntprobnp": "bnp"})} == {"33762-6"}


@pytest.mark.parametrize("column", ["BNP", "bnp_admission", "natriuretic peptide"])
def test_another_name_of_the_column_is_bnp(column):
    assert code_of(DEFAULT_VARIABLES[1], {"bnp": column}).code == "30934-4"


def test_columns_are_those_that_the_run_mapped(tmp_path):
    assert columns_of(tmp_path) is None
    (tmp_path / "config.toml").write_text(load_config(None, {"cohort": {"map": {"bnp": "NTproBNP"}}}).to_toml())
    assert columns_of(tmp_path) == {"bnp": "NTproBNP"}


def test_bnp_of_a_bundle_without_its_run_has_no_code():
    resource = checked(risk_assessment(entry(), dataclasses.replace(FACTS, columns=None)))
    (bnp,) = (each for each in resource["contained"] if each["id"] == "value-2")
    assert bnp["code"] == {"text": DEFAULT_VARIABLES[1].title}
    assert bnp["valueQuantity"] == {"value": 463, "unit": "pg/mL"}


def test_the_method_mentions_similar_records_only_if_they_are_used(predictor):
    bundle = predictor.bundle
    model = bundle.served.model
    for name, result in (("sign", "SIGN, similar reference records"), ("mlp", "MLP (no graph)")):
        served = dataclasses.replace(bundle.served, model=model.model_copy(update={"name": name}))
        facts = ModelFacts.of(dataclasses.replace(bundle, served=served), sha256=HEX, columns={})
        assert risk_assessment(entry(), facts)["method"] == {"text": f"cardiograph: {result}"}
    assert "similar" not in risk_assessment(entry(model_sha256="cd" * 32), FACTS)["method"]["text"]


def test_missing_values_have_no_observation():
    resource = checked(
        risk_assessment(entry(clinical={"ef": None, "age": 70, "bnp": float("nan")}, page_sha256=None), FACTS)
    )
    assert [each["code"]["coding"][0]["code"] for each in resource["contained"][1:]] == ["30525-0"]
    assert "not given: age; the median of the training records stands in" in texts(resource)


def test_an_answer_without_any_value_has_no_basis():
    resource = checked(risk_assessment(entry(clinical={}, page_sha256=None), FACTS))
    assert "basis" not in resource
    assert not any("not kept" in text for text in texts(resource))


def test_the_page_is_identified_by_its_hash():
    assert "ab" * 32 in of_code(checked(risk_assessment(entry(), FACTS)), "11524-6")["valueString"]


def test_values_that_were_not_kept_are_marked_absent():
    resource = checked(risk_assessment(entry(clinical=None), FACTS))
    assert [each["id"] for each in resource["contained"]] == ["model", "ecg"]
    assert any("were not stored" in text for text in texts(resource))


def test_values_at_hand_stand_in_for_those_that_were_not_kept():
    result = risk_assessment(entry(clinical=None), FACTS, clinical=VALUES)
    assert result == risk_assessment(entry(), FACTS)


def test_a_prediction_of_another_model_shows_no_value():
    resource = checked(risk_assessment(entry(model_sha256="cd" * 32), FACTS))
    assert [each["id"] for each in resource["contained"]] == ["model", "ecg"]
    assert "cd" * 32 in [each["value"] for each in resource["contained"][0]["version"]]
    assert "SIGN" not in json.dumps(resource)
    assert risk_assessment(entry(model_sha256="cd" * 32), FACTS, clinical=VALUES)["contained"] == resource["contained"]
    assert any("Another model" in text for text in texts(resource))


def test_an_extended_run_is_preliminary_and_decides_nothing():
    void = dataclasses.replace(
        PREDICTION, threshold=None, positive=None, low=None, high=None, decision="void", warnings=("void!",)
    )
    resource = checked(risk_assessment(entry(void), FACTS))
    assert resource["status"] == "preliminary"
    (only,) = resource["prediction"]
    assert only["qualitativeRisk"]["text"].startswith("void")
    assert "supports no decision" in only["rationale"]
    assert "void!" in texts(resource)


@pytest.mark.parametrize("decision", ["can't tell", "unlike both", "too few"])
def test_an_answer_that_abstains_says_so(decision):
    resource = checked(risk_assessment(entry(dataclasses.replace(PREDICTION, decision=decision)), FACTS))
    result = resource["prediction"][0]["qualitativeRisk"]
    assert ":" in result["text"]
    assert "coding" not in result
    assert result["text"] in resource["text"]["div"].replace("&#x27;", "'")


@pytest.mark.parametrize(
    "provenance", ["simulated blind to the label", "simulated from the label", "synthetic patient"]
)
def test_what_is_not_measured_is_marked_as_test_data(provenance):
    sentence = PREDICTION.provenance.replace("measured", provenance)
    facts = dataclasses.replace(FACTS, provenances=("measured", *(provenance,) * 4))
    resource = checked(risk_assessment(entry(dataclasses.replace(PREDICTION, provenance=sentence)), facts))
    assert resource["meta"]["tag"][0]["code"] == "HTEST"
    assert f"training values of bnp, nyha, sbp, age are not measurements ({provenance})" in resource["text"]["div"]
    assert "meta" not in risk_assessment(entry(), FACTS)


def test_it_says_first_that_it_is_for_research():
    resource = checked(risk_assessment(entry(), FACTS))
    assert texts(resource)[0].startswith("For research use only")
    assert texts(resource)[-1].endswith(PREDICTION.provenance)


def test_nobody_is_named():
    result = json.dumps(checked(risk_assessment(entry(), FACTS)))
    assert "secret-record" not in result
    assert set(json.loads(result)["subject"]) == {"display"}


def test_a_name_of_the_outcome_is_only_text():
    prediction = dataclasses.replace(PREDICTION, outcome="<script>&")
    resource = checked(risk_assessment(entry(prediction), FACTS))
    assert "&lt;script&gt;&amp;" in resource["text"]["div"]
    assert resource["prediction"][0]["outcome"]["text"] == "<script>&"


def test_times_are_in_utc():
    there = datetime(2026, 3, 1, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    assert (
        checked(risk_assessment(entry(created_at=there), FACTS))["occurrenceDateTime"]
        == "2026-03-01T12:30:00.000+00:00"
    )


def test_percentages_move_the_point_and_nothing_else():
    assert [percentage(each) for each in (0.29, 0.07, 1.0, 1e-07, 0.5678901234567891)] == [
        29,
        7,
        100,
        1e-05,
        56.78901234567891,
    ]
