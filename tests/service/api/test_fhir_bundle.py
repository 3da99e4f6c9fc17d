"""A Bundle is read as one patient, or refused with every fault; what the service writes it can read again."""

import base64
import copy
import hashlib
import json

import numpy as np
import pytest
from jsonschema import Draft6Validator

from cardiograph.ecg.read_any import read_any
from cardiograph.schema import DEFAULT_VARIABLES, ClinicalVariable
from cardiograph.service.api.accept import FHIR, JSON
from cardiograph.service.api.fhir_bundle import bundle_query, r4_schema
from cardiograph.service.api.fhir_codes import observations
from cardiograph.service.api.fhir_sampled import MDC, MDC_LEADS
from cardiograph.service.api.problems import ProblemError

VALUES = {"ef": 0.29, "bnp": 463.0, "nyha": 3.0, "sbp": 132.0, "age": 70.0}
UCUM = "http://unitsofmeasure.org"
SCHEMA = Draft6Validator({**r4_schema(), "$ref": "#/definitions/Bundle"})
ME = {"reference": "Patient/p1"}


def bundle(*resources):
    found = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    return json.loads(json.dumps(found))


def measured(values=None):
    return [
        {**each, "status": "final", "subject": ME} for each in observations(values or VALUES, DEFAULT_VARIABLES, {})
    ]


def patient(**more):
    return {"resourceType": "Patient", "id": "p1", **more}


def document(content, **attachment):
    found = {"contentType": "image/jpeg", "data": base64.b64encode(content).decode(), **attachment}
    return {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": found}], "subject": ME}


def sampled(leads=("I", "II", "V1"), **changes):
    codes = {lead: code for code, lead in MDC_LEADS.items()}
    data = {"origin": {"value": 0, "system": UCUM, "code": "uV"}, "period": 2, "factor": 5, "dimensions": 1}
    parts = [
        {
            "code": {"coding": [{"system": MDC, "code": codes[lead]}]},
            "valueSampledData": {**data, "data": " ".join([f"0 {20 * place} E -40"] * 200), **changes},
        }
        for place, lead in enumerate(leads)
    ]
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "ECG"},
        "component": parts,
        "subject": ME,
        "effectiveDateTime": "2026-03-01T08:00:00Z",
    }


def read(content, variables=DEFAULT_VARIABLES):
    return bundle_query(json.dumps(content).encode(), variables, {})


def faults(content, variables=DEFAULT_VARIABLES):
    with pytest.raises(ProblemError) as found:
        read(content, variables)
    assert found.value.status == 422
    assert all(each.rule and each.remedy for each in found.value.issues)
    return found.value.issues


def test_values_that_the_service_writes_are_read_again():
    content = bundle(patient(), *measured())
    SCHEMA.validate(content)
    found = read(content)
    assert (dict(found.clinical), found.page, found.patient_id) == (VALUES, None, "p1")


def test_variables_without_a_code_are_found_by_their_title():
    own = (ClinicalVariable("sex", "sex", "", 0, 1, categories=("female", "male")),)
    assert read(bundle(*observations({"sex": 1.0}, own, {})), own).clinical == {"sex": 1.0}


def test_an_attached_file_is_the_ecg(page):
    stated = {"size": len(page), "hash": base64.b64encode(hashlib.sha1(page, usedforsecurity=False).digest()).decode()}
    content = bundle(patient(), document(page, **stated))
    SCHEMA.validate(content)
    assert read(content).page == page
    media = {"resourceType": "Media", "status": "completed", "content": document(page)["content"][0]["attachment"]}
    assert read(bundle(media)).page == page


def test_sampled_data_are_leads_in_millivolts():
    content = bundle(patient(birthDate="1956-03-02"), sampled())
    SCHEMA.validate(content)
    found = read(content)
    ecg = read_any(found.page, name="ecg.csv")
    assert ecg.rate == pytest.approx(500)
    np.testing.assert_allclose(ecg.signal[1, :4], [0, 0.1, np.nan, -0.2], atol=1e-6)  # lead II: 20 steps of 5 uV
    assert ecg.derived == ("III", "aVR", "aVL", "aVF")
    assert found.clinical == {"age": 69.0}, "the day before the birthday"


def test_a_panel_of_blood_pressure_gives_its_systolic_value():
    systolic = measured({"sbp": 132.0})[0]
    diastolic = {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]}, "valueQuantity": {"value": 80}}
    part = {key: systolic[key] for key in ("code", "valueQuantity")}
    panel = {"resourceType": "Observation", "status": "final", "code": {"text": "BP"}, "component": [part, diastolic]}
    assert read(bundle(panel)).clinical == {"sbp": 132.0}


def changed(change):
    value = measured({"sbp": 132.0})[0]
    change(value)
    return bundle(value)


@pytest.mark.parametrize(
    ("content", "element"),
    [
        ([], "resourceType"),
        ({"resourceType": "Patient"}, "resourceType"),
        ({"resourceType": "Bundle", "type": "collection"}, "entry"),
        (bundle({"resourceType": "Encounter"}), "resourceType"),
        (bundle(patient(), patient()), "id"),
        (bundle(patient(height=3)), ""),
        (bundle(*measured(), *measured({"ef": 0.3})), "ef"),
        (changed(lambda each: each.update(status="entered-in-error")), "status"),
        (changed(lambda each: each["valueQuantity"].update(code="kPa")), "sbp"),
        (changed(lambda each: each["valueQuantity"].update(value="132")), "valueQuantity.value"),
        (changed(lambda each: each["valueQuantity"].update(comparator="<")), "sbp"),
        (changed(lambda each: each.update(code={"coding": [{"system": "http://loinc.org", "code": "1-8"}]})), "code"),
        (changed(lambda each: each.pop("valueQuantity")), "sbp"),
        (bundle(measured()[0], {**measured()[1], "subject": {"reference": "Patient/p2"}}), "subject"),
        (bundle(document(b"x"), document(b"y")), ""),
        (bundle(document(b"x", size=3)), "size"),
        (bundle(document(b"x", hash="eA==")), "hash"),
        (bundle({**document(b"x"), "content": [{"attachment": {"url": "http://elsewhere/ecg"}}]}), "attachment"),
        (bundle(sampled(origin={"value": 0})), "origin"),
        (bundle(sampled(period=0.001)), "period"),
        (bundle(sampled(dimensions=2)), "dimensions"),
        (bundle(sampled(data="1 U 2")), "data"),
        (bundle(sampled(data="1 two")), "data"),
        (bundle(sampled(leads=("I", "I"))), "code"),
        (bundle(patient(birthDate="1956"), document(b"x")), "birthDate"),
    ],
)
def test_a_fault_is_named(content, element):
    assert element in [each.column for each in faults(content)]


def test_all_faults_are_named_at_once():
    value = measured({"sbp": 132.0})[0]
    value["valueQuantity"]["code"] = "kPa"
    found = faults(bundle({"resourceType": "Encounter"}, patient(height=3), value, document(b"x", size=3)))
    assert [each.where for each in found] == [
        "entry[0]",
        "entry[1] Patient",
        "entry[2] Observation",
        "entry[3] DocumentReference",
    ]


def test_a_class_that_is_none_is_refused():
    value = measured({"nyha": 3.0})[0]
    value["valueCodeableConcept"] = {"text": "NYHA class V"}
    (issue,) = faults(bundle(value))
    assert (issue.column, issue.value) == ("nyha", "NYHA class V")


def test_no_change_of_a_bundle_is_an_unnamed_error():
    """Every element, replaced by values of other types, gives a query or named faults."""
    whole = bundle(patient(birthDate="1956-03-02"), *measured({"ef": 0.3, "nyha": 2.0}), sampled(("I",)))

    def places(node, path=()):
        for key, each in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            yield (*path, key)
            yield from places(each, (*path, key))

    for path in places(whole):
        for wrong in (None, 7, [], {"x": 1}):
            content = copy.deepcopy(whole)
            node = content
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = wrong
            try:
                read(content)
            except ProblemError as error:
                assert error.issues, path


def test_a_bundle_is_answered_as_the_same_patient(served, page, values):
    content = bundle(patient(), *measured(values | {"ef": 0.34}), document(page))
    plain = served.ask(page, values).json()["prediction"]["probability"]
    sent = {"content": json.dumps(content), "headers": {"Content-Type": FHIR}}
    answer = served.client.post("/v1/predictions", **sent)
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, FHIR)
    assert answer.json()["prediction"][0]["probabilityDecimal"] == pytest.approx(100 * plain)
    sent["headers"]["Accept"] = JSON
    assert served.client.post("/v1/predictions", **sent).json()["prediction"]["probability"] == plain


def test_a_refused_bundle_is_an_operation_outcome(served):
    sent = {"content": json.dumps(bundle({"resourceType": "Encounter"})), "headers": {"Content-Type": FHIR}}
    answer = served.client.post("/v1/predictions", **sent)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, FHIR)
    assert "Encounter" in answer.text and answer.json()["resourceType"] == "OperationOutcome"
