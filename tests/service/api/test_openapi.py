"""The OpenAPI document is true: hundreds of requests drawn from it are answered as it says."""

import base64
import io
import json
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from PIL import Image
from tests.test_docs import REFERENCE, ROOT, rows, section

from cardiograph.service.api.accept import FHIR
from cardiograph.service.api.openapi import _DESCRIPTIONS

RATE = 500.0
PREDICT = "/v1/predictions"


def test_every_route_is_documented_with_its_refusals(served):
    document = served.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        PREDICT,
        f"{PREDICT}/batch",
        "/v1/outcomes",
        f"{PREDICT}/{{prediction_id}}",
        f"{PREDICT}/{{prediction_id}}/explanation",
        "/v1/model",
        "/v1/report",
        "/v1/reference/{record_id}/ecg",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert set(operation["responses"]) - {str(status) for status in _DESCRIPTIONS} <= {"200", "201"}, path
            assert operation["summary"]
    variables = document["paths"][PREDICT]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert variables["properties"]["values"]["properties"]["sbp"] == {
        "type": ["number", "null"],
        "title": "systolic blood pressure",
        "description": "systolic blood pressure, 50-300 mmHg",
        "minimum": 50.0,
        "maximum": 300.0,
    }


def test_the_reference_has_every_route_status_and_code(served):
    reference = REFERENCE["http-api"]
    paths = served.client.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert {key for key in rows(reference) if " /" in key} == routes
    refusals = rows(section(reference, "## Errors"))
    assert {int(key) for key in refusals if key.isdigit()} == {*_DESCRIPTIONS, 405}
    source = "".join(path.read_text() for path in (ROOT / "src/cardiograph/service").rglob("*.py"))
    codes = set(re.findall(r'ProblemError\(\s*(?:\w+\.)*\w+, "(\w+)"', source))
    result = {code for row in refusals.values() for code in row[1].split(", ")} - {"codes", "---"}
    assert len(codes) > 15 and result == codes


def small_page(seed, kind):
    """A small page with beats of its own, as a file."""
    from cardiograph.ecg.draw.paper import PaperLayout, draw_page

    rng = np.random.default_rng(seed)
    seconds = np.arange(5000) / RATE
    beat = (seconds % rng.uniform(0.7, 0.9)) - 0.3
    leads = rng.uniform(0.6, 1.2, (12, 1)) * np.exp(-((beat / 0.015) ** 2)) + 0.2 * np.exp(
        -(((beat - 0.25) / 0.05) ** 2)
    )
    file = io.BytesIO()
    Image.fromarray(draw_page(leads, RATE, layout=PaperLayout(pixels_per_mm=4)).pixels).save(file, kind)
    return file.getvalue()


def is_allowed(case):
    """Whether a form that was drawn as a wrong one is a right one: by another branch of the schema, or as it is sent.

    A list is sent as a field for each of its values: one value as itself, none as no field.
    """
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return False
    (body,) = [each for each in case.operation.body if each.media_type == case.media_type]
    sent = {name: value if isinstance(value, list) else [value] for name, value in case.body.items()}
    fields = {name: values[0] if len(values) == 1 else values for name, values in sent.items() if values}
    if isinstance(fields.get("page"), list):
        fields["page"] = ["page" if isinstance(value, bytes) else value for value in fields["page"]]
    fields = {name: "page" if isinstance(value, bytes) else value for name, value in fields.items()}
    if "patient_id" in fields and not isinstance(fields["patient_id"], str):
        fields["patient_id"] = json.dumps(fields["patient_id"])  # in a form, everything is text
    return Draft202012Validator(body.raw_schema).is_valid(fields)


@pytest.fixture(scope="module")
def drawn():
    """Teaches Schemathesis what pages and lines look like."""
    import schemathesis

    pages = {kind: [small_page(seed, kind) for seed in range(4)] for kind in ("JPEG", "PNG", "WEBP")}
    for kind, files in pages.items():
        schemathesis.openapi.media_type(f"image/{kind.lower()}", st.sampled_from(files))
    schemathesis.openapi.format("binary", st.sampled_from(pages["JPEG"]))
    page = st.sampled_from([base64.b64encode(files[0]).decode() for files in pages.values()])
    values = st.fixed_dictionaries({}, optional={"ef": st.floats(0, 1), "sbp": st.floats(0, 400), "age": st.none()})
    line = st.fixed_dictionaries({"values": values}, optional={"id": st.integers(), "page": page | st.text()})
    text = line.map(json.dumps) | st.text().map(lambda text: text.replace("\n", " "))
    lines = st.lists(text, max_size=3).map(lambda each: "\n".join(each).encode())
    schemathesis.openapi.media_type("application/x-ndjson", lines)


def draw(strategy, cases, ask):
    """Ask with so many cases that Schemathesis draws."""

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def drawn_case(case):
        ask(case)

    drawn_case()


CASES = {PREDICT: 120, f"{PREDICT}/batch": 50}
"""Number of requests for each route; 20 for the others."""


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{}, {"requests_per_minute": 60, "require_key": True}], ids=["off", "on"])
def test_what_is_drawn_from_the_document_is_answered_as_it_says(serve, drawn, limits):
    import schemathesis
    from schemathesis import GenerationMode

    served = serve(**({"requests_per_minute": 10_000_000} | limits))
    headers = {"Authorization": f"Bearer {served.key('predict', 'read', 'outcomes', 'metrics')}"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", served.app, headers={"Host": "localhost", **headers})
    answered = Counter()

    def ask(case):
        assume(case.media_type != FHIR)  # the document describes a Bundle by a sentence alone
        assume(case.meta.generation.mode is GenerationMode.POSITIVE or not is_allowed(case))
        response = case.call_and_validate(base_url="http://localhost", headers=headers)
        answered[case.operation.path, response.status_code] += 1

    for found in schema.get_all_operations():
        operation = found.ok()
        cases = CASES.get(operation.path, 20)
        draw(operation.as_strategy(GenerationMode.POSITIVE), cases, ask)
        if operation.path == PREDICT:  # elsewhere nothing can be wrong with a request
            draw(operation.as_strategy(GenerationMode.NEGATIVE), cases // 2, ask)
    assert sum(answered.values()) >= 250
    assert not any(status >= 500 for _, status in answered)
    predictions = {status: count for (path, status), count in answered.items() if path == PREDICT}
    if limits:
        assert predictions[429]
    else:
        assert predictions[201] >= 0.3 * sum(predictions.values())
