import base64
import hashlib
import re

from cardiograph.schema import DEFAULT_VARIABLES


def test_the_model_says_what_it_is(served, finished_run):
    result = served.client.get("/v1/model").json()
    assert [(each["name"], each["unit"], each["low"], each["high"]) for each in result["variables"]] == [
        (each.name, each.unit, each.low, each.high) for each in DEFAULT_VARIABLES
    ]
    assert result["sha256"] == served.app.state.serving.model_sha256
    assert result["takes_pages"]
    assert result["encoder"]["engine"] == "openvino"
    assert "research" in result["intended_use"]
    assert result["card"] == (finished_run / "model_card.md").read_text()


def test_the_report_comes_under_a_policy_of_its_own(served, finished_run):
    answer = served.client.get("/v1/report")
    assert answer.text == (finished_run / "report.html").read_text()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "sandbox allow-scripts" in policy and "same-origin" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    (allowed,) = re.findall(r"script-src ([^;]*);", policy)
    assert len(scripts) == 2
    for digest in digests:
        line = f"sha256-{digest}"
        assert f"'{line}'" in allowed.split(), f"add to src/cardiograph/inline_scripts/static/versions.txt: {line}"
    assert re.fullmatch(r"('sha256-[\w+/]{43}=' ?)+", allowed), "known scripts alone may run"


def test_a_bundle_without_its_run_has_no_report(finished_run, predictor, serve):
    served = serve(run=finished_run / "bundle")
    assert served.client.get("/v1/report").status_code == 404
    assert served.client.get("/v1/model").json()["card"] is None
