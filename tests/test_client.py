"""The client sends valid requests, waits when it should, and reports what went wrong."""

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from cardiograph.client import TRIES, ServiceClient
from cardiograph.client_requests import REQUEST_LINES
from cardiograph.containers import Neighbour, Prediction, Query
from cardiograph.errors import ConfigError, InputError, PageError, ServiceError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
PREDICTION = Prediction(
    0.3,
    True,
    0.25,
    "heart failure",
    (Neighbour("r1", 0.5, 1, {"ef": 0.3, "bnp": None}),),
    "431 records",
    ("a note",),
    ("image",),
)
ISSUE = {
    "where": "patient",
    "column": "sbp",
    "value": "1480",
    "rule": "allowed 50-300 mmHg",
    "remedy": "check",
    "code": "out_of_range",
}
URL = "https://cardiograph.example"


def answered(request):
    return httpx.Response(201, json={"id": "0f", "model": {"sha256": "ab"}, "prediction": PREDICTION.as_dict()})


def problem(status, *issues, headers=None, detail="No."):
    result = {
        "type": "about:blank",
        "title": "T",
        "status": status,
        "detail": detail,
        "code": "c",
        "issues": list(issues),
    }
    return httpx.Response(status, json=result, headers={"Content-Type": "application/problem+json", **(headers or {})})


class Service:
    """The requests that a handler received, and the client that sends them."""

    def __init__(self, handler, **given):
        self.requests, self.waited = [], []
        given = {"key": "secret", **given}
        self.client = ServiceClient(
            given.pop("url", URL), transport=httpx.MockTransport(self.respond), wait=self.waited.append, **given
        )
        self.handler = handler

    def respond(self, request):
        request.read()
        self.requests.append(request)
        return self.handler(request)


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "Jane Doe 1950.png"
    path.write_bytes(PNG)
    return path


def fields_of(request):
    """name -> content of the parts of a form."""
    boundary = re.search("boundary=(.*)", request.headers["content-type"])[1].encode()
    parts = [part.strip(b"\r\n").partition(b"\r\n\r\n") for part in request.content.split(b"--" + boundary)[1:-1]]
    return {re.search(rb' name="(\w+)"', head)[1].decode(): body for head, _, body in parts}


def test_one_patient_is_a_form_with_page_and_values(page):
    service = Service(answered)
    with service.client as client:
        answer = client.predict(Query(page, {"ef": 0.34, "bnp": None, "age": float("nan")}, patient_id="p1"))
    assert answer == PREDICTION
    (request,) = service.requests
    assert (request.method, str(request.url)) == ("POST", f"{URL}/v1/predictions")
    fields = fields_of(request)
    assert json.loads(fields["values"]) == {"ef": 0.34}
    assert (fields["page"], fields["patient_id"]) == (PNG.strip(b"\r\n"), b"p1")
    assert request.headers["authorization"] == "Bearer secret"


def test_without_a_page_it_is_a_form_all_the_same():
    service = Service(answered)
    service.client.predict(Query(clinical={"ef": 0.34}))
    assert set(fields_of(service.requests[0])) == {"values"}


def test_no_name_of_a_file_or_record_is_sent(page):
    service = Service(lambda request: lines_of(request) if "batch" in request.url.path else answered(request))
    service.client.predict(Query(page, name="record of Jane"))
    assert list(service.client.predict_many([Query(page, name="record of Jane")])) == [PREDICTION]
    for request in service.requests:
        assert b"Jane" not in request.content + str(request.headers).encode()


def test_without_a_key_none_is_sent():
    service = Service(answered, key=None)
    service.client.predict(Query(clinical={"ef": 0.34}))
    assert "authorization" not in service.requests[0].headers


def test_a_path_before_the_service_is_kept():
    service = Service(answered, url=f"{URL}/heart/")
    service.client.predict(Query(clinical={"ef": 0.34}))
    assert service.requests[0].url.path == "/heart/v1/predictions"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://cardiograph.example", "use https"),
        ("http://localhost.example:8000", "use https"),
        ("http://10.0.0.7:8000", "use https"),
        ("http://127.0.0.1.example", "use https"),
        ("https://me:hush@cardiograph.example", "name or password"),
        ("ftp://cardiograph.example", "expected an address"),
        ("cardiograph.example", "expected an address"),
        ("https://", "expected an address"),
        ("https://host?key=1", "expected an address"),
        ("http://[::1", "expected an address"),
    ],
)
def test_an_address_that_others_could_read_along_is_refused(url, message):
    with pytest.raises(ConfigError, match=message) as caught:
        ServiceClient(url, "secret")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "http://127.8.0.1"]
)
def test_plain_http_is_for_this_machine_and_through_no_proxy(url, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    assert not [each for each in ServiceClient(url, "secret")._http._mounts.values() if each is not None]


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_is_none_is_refused_and_not_shown(key):
    with pytest.raises(ConfigError, match="the key is empty, or has") as caught:
        ServiceClient(URL, key)
    assert not key or key not in str(caught.value)


def after(busy, retry_after):
    """A handler that is busy so many times."""
    left = [busy]

    def handler(request):
        left[0] -= 1
        return answered(request) if left[0] < 0 else problem(429, headers={"Retry-After": retry_after})

    return handler


def test_busy_waits_as_long_as_the_service_says():
    service = Service(after(2, "7"))
    assert service.client.predict(Query(clinical={"ef": 0.34})) == PREDICTION
    assert service.waited == [7, 7]
    assert [fields_of(request)["values"] for request in service.requests] == [b'{"ef": 0.34}'] * 3


def test_a_date_to_wait_for_is_understood():
    service = Service(after(1, format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)))
    service.client.predict(Query(clinical={"ef": 0.34}))
    assert 25 < service.waited[0] <= 30


def test_it_does_not_wait_for_ever():
    service = Service(after(100, "1"))
    with pytest.raises(ServiceError, match=f"still busy after {TRIES} attempts"):
        service.client.predict(Query(clinical={"ef": 0.34}))
    assert len(service.requests) == TRIES
    service = Service(after(1, "61"))
    with pytest.raises(ServiceError, match="try again in 61 seconds"):
        service.client.predict(Query(clinical={"ef": 0.34}))
    assert service.waited == []


def test_faults_of_the_input_are_those_of_the_library():
    service = Service(lambda _: problem(422, ISSUE, detail="This patient cannot be scored."))
    with pytest.raises(InputError) as caught:
        service.client.predict(Query(clinical={"sbp": 1480.0}))
    (issue,) = caught.value.issues
    assert str(issue) == "patient: sbp is 1480; allowed 50-300 mmHg; check"
    assert type(caught.value) is InputError


def test_a_bad_page_has_the_name_of_its_file(page):
    service = Service(lambda _: problem(422, {**ISSUE, "where": "page patient", "column": "", "code": "truncated"}))
    with pytest.raises(PageError) as caught:
        service.client.predict(Query(page))
    assert caught.value.issues[0].where == "page Jane Doe 1950.png"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"GIF89a", "unsupported_format"), (None, "missing"), (b"hello", "not_an_image")],
)
def test_a_file_that_is_no_page_is_not_sent(tmp_path, content, code):
    path = tmp_path / "page.png"
    if content is not None:
        path.write_bytes(content)
    service = Service(answered)
    with pytest.raises(PageError) as caught:
        service.client.predict(Query(path, {"ef": 0.34}))
    assert caught.value.issues[0].code == code
    assert service.requests == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_a_setting(status):
    service = Service(lambda _: problem(status, detail="This key lacks the scope."))
    with pytest.raises(ConfigError, match=r"lacks the scope.*CARDIOGRAPH_KEY") as caught:
        service.client.predict(Query(clinical={"ef": 0.34}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(500, text="<html>"),
        httpx.Response(302, headers={"Location": "https://elsewhere.example"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(201, json={"prediction": {"probability": "high"}}),
        problem(413, detail="More than 8 MiB."),
        problem(422, {"where": "patient"}),
    ],
    ids=lambda response: f"{response.status_code}",
)
def test_anything_else_is_an_error_of_the_service(response):
    service = Service(lambda _: response)
    with pytest.raises(ServiceError, match=URL):
        service.client.predict(Query(clinical={"ef": 0.34}))
    assert len(service.requests) == 1


def test_a_service_that_is_not_there_is_named():
    def broken(request):
        message = "refused"
        raise httpx.ConnectError(message, request=request)

    with pytest.raises(ServiceError, match=rf"{URL}: no response \(refused\)"):
        Service(broken).client.predict(Query(clinical={"ef": 0.34}))


# Many


def lines_of(request, bad=()):
    """Answers to a batch whose probability is the patient's age in hundredths, backwards; some are refused."""
    requests = [json.loads(line) for line in request.content.splitlines()]
    result = []
    for each in requests:
        age = each["values"].get("age", 30)
        if age in bad:
            result.append({"id": each["id"], "problem": json.loads(problem(422, ISSUE).content)})
        else:
            result.append({"id": each["id"], "prediction": {**PREDICTION.as_dict(), "probability": age / 100}})
    return httpx.Response(200, content="\n".join(json.dumps(each) for each in reversed(result)))


def test_many_patients_come_back_in_order_whatever_the_pieces():
    service = Service(lines_of)
    queries = [
        Query(clinical={"age": float(age)}, patient_id=f"p{age}", name=f"r{age}")
        for age in range(2 * REQUEST_LINES + 1)
    ]
    assert [answer.probability for answer in service.client.predict_many(queries)] == [
        age / 100 for age in range(len(queries))
    ]
    assert [len(request.content.splitlines()) for request in service.requests] == [REQUEST_LINES, REQUEST_LINES, 1]
    first = json.loads(service.requests[0].content.splitlines()[0])
    assert first == {"id": 0, "page": None, "values": {"age": 0.0}, "patient_id": "p0"}


def test_pages_of_a_request_stay_below_a_size(page, monkeypatch):
    monkeypatch.setattr("cardiograph.client_requests.REQUEST_BYTES", 1000)
    service = Service(lines_of)
    assert len(list(service.client.predict_many([Query(page)] * 5))) == 5
    assert [len(request.content.splitlines()) for request in service.requests] == [2, 2, 1]


def test_all_bad_patients_are_reported_and_none_is_scored_after_the_first(tmp_path):
    service = Service(lambda request: lines_of(request, bad=(1, 40)))
    queries = [Query(clinical={"age": float(age)}, name=f"r{age}") for age in range(50)]
    queries[2] = Query(tmp_path / "absent.png", name="r2")
    got = []
    with pytest.raises(InputError) as caught:
        got.extend(answer.probability for answer in service.client.predict_many(queries))
    assert sorted(issue.where for issue in caught.value.issues) == ["page absent.png", "r1", "r40"]
    assert str(caught.value).startswith("3 patients or pages cannot be scored.")


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 0}\n',
        b'{"id": 7, "prediction": {}}\n',
        b"[]\n",
        b"",
        b'{"id": null, "problem": {"status": 408, "detail": "Too slow.", "issues": []}}\n',
        b'{"id": 0, "problem": {"status": 503, "detail": "Too long.", "issues": []}}\n',
    ],
)
def test_an_answer_that_is_not_one_for_each_patient_is_an_error(body):
    service = Service(lambda _: httpx.Response(200, content=body))
    with pytest.raises(ServiceError):
        list(service.client.predict_many([Query(clinical={"age": 1.0})]))


def test_a_prediction_survives_json():
    assert Prediction.from_dict(json.loads(json.dumps(PREDICTION.as_dict()))) == PREDICTION
