"""What another site makes a browser send is refused."""

import pytest

from cardiograph.service.api.problems import ProblemError
from cardiograph.service.security.csrf import FormTokens


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://localhost"}, 201),
        ({"Origin": "https://localhost", "Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_only_pages_of_this_service_make_a_browser_send_requests(served, values, headers, status):
    answer = served.client.post("/v1/predictions", json={"values": values}, headers=headers)
    assert answer.status_code == status
    assert len(served.log_entries("prediction")) == (status == 201)
    assert served.client.get("/v1/model", headers=headers).status_code == 200


def test_a_token_is_for_one_caller_one_process_and_some_hours():
    now = [1000.0]
    tokens, others = FormTokens(clock=lambda: now[0]), FormTokens()
    token = tokens.issue("ann")
    tokens.check(token, "ann")
    until, _, mark = token.partition(".")
    for wrong in (token[:-1], "", ".", f"{int(until) + 1}.{mark}", others.issue("ann"), "ü.ü"):
        with pytest.raises(ProblemError):
            tokens.check(wrong, "ann")
    for stranger in ("eve", None):
        with pytest.raises(ProblemError):
            tokens.check(token, stranger)
    now[0] += 12 * 3600 + 1
    with pytest.raises(ProblemError):
        tokens.check(token, "ann")
