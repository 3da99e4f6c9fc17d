"""An answer has a form that the client accepts, or nothing is scored; a FHIR client's refusals are FHIR, too."""

import pytest
from jsonschema import Draft6Validator
from starlette.datastructures import Headers

from cardiograph.service.api.accept import FHIR, JSON, accepted, speaks_fhir
from cardiograph.service.api.fhir_bundle import r4_schema

SCHEMA = r4_schema()
OUTCOME = Draft6Validator({**SCHEMA, "$ref": "#/definitions/OperationOutcome"})
XML = "application/fhir+xml"


@pytest.mark.parametrize(
    ("accept", "form", "fhir"),
    [
        (None, JSON, False),
        ("", JSON, False),
        ("*/*", JSON, False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON, False),
        (FHIR, FHIR, True),
        ("Application/FHIR+JSON; fhirVersion=4.0", FHIR, True),
        (f"{FHIR}, {JSON}", FHIR, True),
        (f"{FHIR};q=0.5, {JSON}", JSON, False),
        (f"{FHIR};q=0, {JSON}", JSON, False),
        (f"{XML}, {FHIR};q=0.9", FHIR, True),
        (XML, None, True),
        (f"{XML}, {JSON};q=0.1", JSON, False),
        (f"{XML}, */*;q=0.1", JSON, False),
        ("text/csv", None, False),
        (f"{JSON};q=0", None, False),
        (f"*/*, {JSON};q=0", None, False),
        (f"{FHIR};q=0, {JSON};q=0", None, True),
        (f"{JSON};q=nonsense", JSON, False),
    ],
)
def test_the_form_is_the_best_of_those_accepted(accept, form, fhir):
    headers = Headers({} if accept is None else {"Accept": accept})
    assert (accepted(headers), speaks_fhir(headers)) == (form, fhir)


def test_several_headers_are_as_one():
    headers = Headers(raw=[(b"accept", XML.encode()), (b"accept", FHIR.encode())])
    assert accepted(headers) == FHIR


def outcome(answer):
    assert answer.headers["Content-Type"] == FHIR
    assert int(answer.headers.get("Content-Length", len(answer.content))) == len(answer.content)
    OUTCOME.validate(answer.json())
    return answer.json()["issue"]


def test_nothing_is_scored_that_nobody_can_read(served, values):
    answer = served.ask(values=values, headers={"Accept": XML})
    assert answer.status_code == 406
    (issue,) = outcome(answer)
    assert (issue["code"], issue["diagnostics"]) == ("not-supported", "not_acceptable")
    assert FHIR in issue["details"]["text"]
    assert not served.log_entries("prediction")
    place = served.ask(values=values).headers["Location"]
    assert served.client.get(place, headers={"Accept": XML}).status_code == 406
    plain = served.client.get(place, headers={"Accept": "text/csv"})
    assert (plain.status_code, plain.json()["code"]) == (406, "not_acceptable")


def test_each_fault_of_a_patient_is_an_issue(served):
    answer = served.ask(values={"ef": 45, "sbp": 1480}, headers={"Accept": FHIR})
    assert answer.status_code == 422
    issues = outcome(answer)
    assert [(issue["code"], issue["diagnostics"]) for issue in issues] == [("value", "out_of_range")] * 2
    assert "sbp is 1480; allowed 50-300 mmHg" in issues[1]["details"]["text"]


def test_every_refusal_of_a_fhir_client_is_an_outcome(serve, values):
    served = serve(require_key=True, upload_bytes=2000)
    fhir, place = {"Accept": FHIR}, "/v1/predictions"
    key = fhir | {"Authorization": f"Bearer {served.key('predict', 'read')}"}
    lacking = fhir | {"Authorization": f"Bearer {served.key('metrics')}"}
    post, get = served.client.post, served.client.get
    for answer, status, code in (
        (post(place, json={"values": values}, headers=fhir), 401, "login"),
        (post(place, json={"values": values}, headers=lacking), 403, "forbidden"),
        (post(place, content=b"{", headers=key | {"Content-Type": JSON}), 400, "structure"),
        (post(place, content=b"x" * 3000, headers=key | {"Content-Type": JSON}), 413, "too-long"),
        (post(place, content=b"x", headers=key | {"Content-Type": "text/plain"}), 415, "not-supported"),
        (get(f"{place}/{'0' * 32}", headers=key), 404, "not-found"),
        (served.client.put(place, headers=key), 405, "not-supported"),
        (get("/nothing", headers=key), 404, "not-found"),
    ):
        assert answer.status_code == status
        assert {issue["code"] for issue in outcome(answer)} == {code}
        assert answer.headers["X-Request-ID"]


def test_the_schema_refuses_what_is_no_outcome():
    assert OUTCOME.is_valid({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "value"}]})
    for wrong in ({"issue": []}, {"issue": [{"severity": "bad"}]}, {"resourceType": "OperationOutcome", "status": 4}):
        assert not OUTCOME.is_valid(wrong)
