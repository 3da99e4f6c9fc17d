import pytest

from cardiograph.service.api.accept import FHIR as MEDIA_TYPE

WANTED = {"Accept": MEDIA_TYPE}


def test_a_prediction_comes_in_fhir_on_request(served, page, values):
    answer = served.ask(page, values, headers=WANTED)
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/fhir+json")
    resource = answer.json()
    assert resource["resourceType"] == "RiskAssessment"
    assert answer.headers["Location"].endswith(resource["id"])
    plain = served.client.get(answer.headers["Location"]).json()["prediction"]
    assert resource["prediction"][0]["probabilityDecimal"] == pytest.approx(100 * plain["probability"])
    assert served.client.get(answer.headers["Location"], headers=WANTED).json() == resource
