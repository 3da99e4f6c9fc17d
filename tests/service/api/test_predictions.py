"""A prediction over HTTP equals the prediction of the library."""

import json

import numpy as np
import pytest
from tests.service.conftest import picture

from cardiograph.cli.app import main
from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.pages import page_content
from cardiograph.ecg.writers import ecg_files
from cardiograph.errors import RecordsError
from cardiograph.service.records import Records
from cardiograph.service.web.images import scan
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.waves import Heart


def test_an_answer_is_that_of_the_library(served, predictor, page, values):
    answer = served.ask(page, values)
    assert answer.status_code == 201
    direct = predictor.predict(page, values).as_dict()
    result = answer.json()["prediction"]
    assert result["probability"] == pytest.approx(direct["probability"], abs=1e-12)
    assert [each["record_id"] for each in result["neighbours"]] == [each["record_id"] for each in direct["neighbours"]]
    assert result["warnings"] == list(direct["warnings"])


@pytest.mark.parametrize("kind", ["csv", "dicom", "wfdb"])
def test_a_file_of_signals_is_scored_as_by_the_library(served, predictor, kind, tmp_path):
    signal = record_ecg(Heart(), np.random.default_rng(0)).astype(np.float32)
    files = ecg_files(Ecg(signal, 500.0, "simulated"), kind, "rest")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    path = tmp_path / next(iter(files))
    answer = served.client.post("/v1/predictions", files=[("page", file) for file in files.items()])
    assert answer.status_code == 201
    direct = predictor.predict(path)
    assert answer.json()["prediction"]["probability"] == pytest.approx(direct.probability, abs=1e-12)
    assert served.ask(page_content(path)).json()["prediction"] == answer.json()["prediction"]
    preview = scan(page_content(path), side=200, config=PagesConfig(max_pixels=10**6))
    assert preview.startswith("data:image/jpeg")  # the drawn page


def test_the_missing_file_of_a_record_is_named(served):
    for name, missing in (("rest.hea", "rest.dat cannot be opened"), ("rest.dat", "there are 0 headers")):
        answer = served.client.post(
            "/v1/predictions", files={"page": (name, b"rest 1 500 9\nrest.dat 16 200 16 0 0 0 0 I\n")}
        )
        (issue,) = answer.json()["issues"]
        assert answer.status_code == 422 and missing in issue["rule"]


def test_an_answer_is_what_the_command_prints(served, finished_run, page, values, tmp_path, capsys):
    (tmp_path / "page.jpg").write_bytes(page)
    given = [text for name, value in values.items() for text in (f"--{name}", str(value))]
    with pytest.raises(SystemExit):
        main(["predict", str(finished_run), "--ecg", str(tmp_path / "page.jpg"), *given, "--json"])
    printed = json.loads(capsys.readouterr().out)
    result = served.ask(page, values).json()["prediction"]
    for key in ("probability", "low", "high", "threshold", "novelty"):
        assert result[key] == pytest.approx(printed[key], abs=1e-12)
    assert {key: result[key] for key in ("positive", "decision", "warnings", "missing", "provenance")} == {
        key: printed[key] for key in ("positive", "decision", "warnings", "missing", "provenance")
    }


def test_an_answer_is_recorded_and_can_be_read_again(served, page, values):
    answer = served.ask(page, values)
    entry = served.records.get(answer.json()["id"])
    assert entry.answer["probability"] == answer.json()["prediction"]["probability"]
    assert (entry.page, entry.clinical) == (None, None)
    assert served.client.get(answer.headers["Location"]).json() == answer.json()
    assert served.client.get("/v1/predictions/" + "0" * 32).status_code == 404


def test_pages_are_kept_on_request(serve, page, values):
    served = serve(keep_pages=True)
    entry = served.records.get(served.ask(page, values).json()["id"])
    assert (entry.page, entry.clinical) == (page, values)


def test_values_alone_and_a_page_alone_are_scored(served, page, values):
    alone = served.client.post("/v1/predictions", json={"values": values})
    assert (alone.status_code, alone.json()["prediction"]["missing"]) == (201, ["image"])
    assert served.ask(values=values).json()["prediction"]["probability"] == alone.json()["prediction"]["probability"]
    assert served.ask(page).json()["prediction"]["missing"] == ["clinical"]
    assert served.ask(b"", values).json()["issues"][0]["code"] == "empty"
    assert served.client.post("/v1/predictions", files={"page": page, "more": (None, "")}).status_code == 422


@pytest.mark.parametrize(
    ("page_", "values_", "status", "code"),
    [
        (None, {"ef": 45}, 422, "out_of_range"),
        (None, {"creatinine": 1}, 422, "unknown_variable"),
        (None, {"ef": 0.4, "creatinine": None}, 422, "unknown_variable"),
        (None, {"ef": "much"}, 422, "wrong_type"),
        (None, {"ef": None}, 422, "nothing_known"),
        (b"GIF89a ...", {"ef": 0.4}, 415, "unsupported_format"),
        (b"%PDF-1.7 ...", {"ef": 0.4}, 422, "damaged"),
        (b"no picture", {"ef": 0.4}, 415, "not_an_image"),
        (b"", {"ef": 0.4}, 422, "empty"),
        (picture(400, 300), {"ef": 0.4}, 422, "blank"),
        (picture(8000, 6000), None, 413, "too_many_pixels"),
        (picture(400, 300)[:200], None, 422, "truncated"),
    ],
)
def test_what_cannot_be_scored_is_named(served, page_, values_, status, code):
    answer = served.ask(page_, values_)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert code in {issue["code"] for issue in problem["issues"]}
    assert all(issue["rule"] and issue["remedy"] for issue in problem["issues"])
    assert not served.log_entries("prediction")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"values": {"ef": NaN}}', "application/json", 400),
        (b'{"values": {"ef": true}}', "application/json", 422),
        (b'{"wanted": {}}', "application/json", 422),
        (b'{"values": {"ef": 0.3, "ef": 0.7}}', "application/json", 400),
        (b'{"values": {"ef": 0.3}, "values": {"ef": 0.7}}', "application/json", 400),
        (b"[]", "application/json", 422),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"anything", "multipart/form-data", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
    ],
)
def test_a_body_that_is_none_is_refused(served, content, kind, status):
    answer = served.client.post("/v1/predictions", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status


@pytest.mark.parametrize("key", ["ef", "e\\u0066"], ids=["as it is", "escaped"])
def test_a_key_that_is_there_twice_is_named(served, key):
    values = f'{{"ef": 0.3, "{key}": 0.7}}'
    body, line = f'{{"values": {values}}}', {"Content-Type": "application/x-ndjson"}
    kind = {"Content-Type": "application/json"}
    result = [
        served.client.post("/v1/predictions", content=body, headers=kind).json(),
        served.client.post("/v1/predictions", files={"values": (None, values)}).json(),
        json.loads(served.client.post("/v1/predictions/batch", content=body, headers=line).text)["problem"],
    ]
    for problem in result:
        assert (problem["status"], problem["code"]) == (400, "duplicate_key")
        assert "`ef` occurs twice" in problem["detail"]
    assert not served.log_entries("prediction")


def unknown(count):
    return {f"n{number}": 0 for number in range(count)}


def test_json_is_small(served):
    answers = [
        served.client.post("/v1/predictions", json=unknown(20_000)),
        served.ask(values=unknown(20_000)),
    ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(413, "too_large")] * 2
    most = b'{"values": {"ef": 0.34}}'.ljust(65_536)
    kind = {"Content-Type": "application/json"}
    assert served.client.post("/v1/predictions", content=most, headers=kind).status_code == 201
    assert served.client.post("/v1/predictions", content=most + b" ", headers=kind).status_code == 413


def test_the_first_issues_and_the_number_of_others_are_reported(served):
    for body in (unknown(2000), {"values": {"ef": 0.34, **unknown(2000)}}):
        issues = served.client.post("/v1/predictions", json=body).json()["issues"]
        assert [each["column"] for each in issues] == [*(f"n{number}" for number in range(20)), ""]
        assert (issues[-1]["code"], issues[-1]["value"]) == ("more_faults", "1,980 more")
    assert len(served.client.post("/v1/predictions", json=unknown(20)).json()["issues"]) == 20


def test_nothing_is_answered_that_could_not_be_recorded(served, values, monkeypatch):
    def broken(*_):
        message = "the disk is full"
        raise RecordsError(message)

    monkeypatch.setattr(Records, "add", broken)
    monkeypatch.setattr(Records, "trouble", lambda _: "the disk is full")
    answer = served.ask(values=values)
    assert (answer.status_code, answer.json()["code"]) == (503, "records")
    assert served.client.get("/readyz").status_code == 503
