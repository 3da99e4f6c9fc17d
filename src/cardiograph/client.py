"""Client of a running service, with the same queries and predictions as a local predictor."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Annotated, Any, NoReturn, Self

import httpx
from pydantic import BaseModel, FailFast, ValidationError
from pydantic_core import from_json

from cardiograph import __version__
from cardiograph.client_requests import page_of, requests, values_of
from cardiograph.containers import Prediction, Query
from cardiograph.containers.labels import LabelsPrediction, prediction_from_dict
from cardiograph.errors import ConfigError, InputError, Issue, PageError, ServiceError
from cardiograph.service.api.kinds import kind_of_answer
from cardiograph.service.api.schemas import IssueAnswer, OutcomesAnswer
from cardiograph.service.settings import is_loopback

ANSWER_BYTES = 4 << 20
"""Maximum size of a response, far above model cards and batch responses."""

TEXT_LENGTH = 500
"""Maximum number of characters of a service message that an error repeats."""

ANSWER_SECONDS = 600.0
"""Time limit of a request with its whole response: each patient of a batch may take the 20 s of the service."""

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""Time limits in seconds: to send or receive the next bytes, and to connect."""

TRIES = 6
"""Maximum number of attempts while the service responds with 429."""

LONGEST_WAIT = 60.0
"""Longest ``Retry-After`` in seconds that the client waits for; longer ones are an error."""


def _renamed(issue: Issue, query: Query) -> Issue:
    """Return an issue of the service with the caller's names of patient and page."""
    page = f"page {query.page.name}" if isinstance(query.page, Path) else None
    return replace(issue, where=page if page and issue.where.startswith("page ") else query.name)


class _Refusal(BaseModel):
    """The fields of a problem document that the client uses."""

    status: int
    detail: str = "no reason given"
    issues: Annotated[list[IssueAnswer], FailFast()] = []


class ServiceClient:
    """Client of the service at an address; a context manager.

    Args:
        url: Address such as ``https://host`` or ``http://127.0.0.1:8000``, with an optional path prefix.
        key: API key, if the service requires one.
        transport: Replaces the network in tests.
        wait: Function that waits a number of seconds before a request is sent again.

    Raises:
        ConfigError: If the address is invalid, contains a name or password, or is plain http to another machine; or if
            the key is malformed.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = _address(url)
        headers = {
            "User-Agent": f"cardiograph/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # compressed responses could expand to gigabytes
        }
        if key is not None:
            if not re.fullmatch(r"[!-~]+", key):
                message = "the key is empty, or has a space, line break or other invalid character; copy it again"
                raise ConfigError(message)
            headers["Authorization"] = f"Bearer {key}"
        secret = self.url.startswith("https:")  # plain http is only for this machine, without a proxy
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # store no cookies
            timeout=TIMEOUT,
            transport=transport,
            trust_env=secret,
        )
        self._wait = wait

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def model(self) -> dict[str, Any]:
        """Return the facts about the model of the service.

        Raises:
            ServiceError: If the request fails or the response is invalid.
        """
        facts = self._json(self._request("GET", "/v1/model").content)
        if not isinstance(facts, dict):
            self._unexpected("the model is not an object")
        return facts

    def send_outcomes(self, outcomes: Sequence[Mapping[str, Any]], *, replace: bool = False) -> dict[str, int]:
        """Send the outcomes of patients that the service scored earlier; it stores all of them or none.

        Args:
            outcomes: At most a thousand items: ``id`` of the prediction with ``outcome`` (0 or 1, the name of the class,
                or label -> 0 or 1), or with ``time`` and ``event`` of a time-to-event outcome.
            replace: Whether to replace stored outcomes of other content.

        Returns:
            ``stored``: number of new or replaced outcomes; ``unchanged``: number of those that were stored already.

        Raises:
            InputError: If an item is invalid, its prediction does not exist, or another outcome is stored for it.
            ServiceError: See :meth:`predict`.
            ConfigError: If the service rejects the key.
        """
        path = "/v1/outcomes?replace=true" if replace else "/v1/outcomes"
        answer = self._json(self._request("POST", path, json=[dict(each) for each in outcomes]).content)
        try:
            return OutcomesAnswer.model_validate(answer, strict=True).model_dump()
        except ValidationError as error:
            self._unexpected("it does not say what was stored", error)

    def predict(self, query: Query) -> Prediction | LabelsPrediction:
        """Score one patient.

        Raises:
            InputError: If the page or a value cannot be used.
            ServiceError: If the service cannot be reached, is busy or fails.
            ConfigError: If the service rejects the key.
        """
        page = page_of(query)
        fields: dict[str, Any] = {"values": (None, json.dumps(values_of(query)), "application/json")}
        if query.patient_id is not None:
            fields["patient_id"] = (None, str(query.patient_id))
        if query.gate is not None:
            fields["gate"] = (None, json.dumps(query.gate))
        if page is not None:
            fields["page"] = ("page", page, "application/octet-stream")  # the file name may be the name of a patient
        response = self._request("POST", "/v1/predictions", query=query, files=fields)
        return self._prediction(self._json(response.content))

    def predict_many(self, patients: Iterable[Query]) -> Iterator[Prediction | LabelsPrediction]:
        """Score patients, in order.

        Raises:
            InputError: With the issues of all patients; nothing is yielded after the first invalid patient.
            ServiceError: See :meth:`predict`.
        """
        issues: list[Issue] = []
        for answer in self.predict_each(patients):
            if isinstance(answer, InputError):
                issues += answer.issues
            elif not issues:
                yield answer
        if issues:
            message = f"{len({issue.where for issue in issues})} patients or pages cannot be scored."
            raise _input_error(message, issues)

    def predict_each(self, patients: Iterable[Query]) -> Iterator[Prediction | LabelsPrediction | InputError]:
        """Score patients, in order; yield the error with all issues for a patient who cannot be scored.

        Raises:
            ServiceError: See :meth:`predict`.
        """
        refused: dict[int, InputError] = {}
        answered = 0
        for body, group in requests(patients, refused):
            answers = self._batch(body, group)
            for number in range(answered, max(group) + 1):
                if number in refused:
                    yield refused[number]
                elif "problem" in answers[number]:
                    issues = self._issues(answers[number]["problem"], group[number])
                    yield _input_error("This patient cannot be scored.", issues)
                else:
                    yield self._prediction(answers[number])
            answered = max(group) + 1
        yield from (refused[number] for number in sorted(refused) if number >= answered)

    def _batch(self, body: bytes, group: Mapping[int, Query]) -> dict[int, dict[str, Any]]:
        """Send a batch request and return the result of each line."""
        kind = "application/x-ndjson"
        headers = {"Content-Type": kind, "Accept": kind}
        response = self._request("POST", "/v1/predictions/batch", content=body, headers=headers)
        by_number: dict[int, dict[str, Any]] = {}
        for line in filter(bytes.strip, response.content.split(b"\n")):
            answer = self._json(line)
            number = answer.get("id", "") if isinstance(answer, dict) else ""
            if number is None:
                self._issues(answer.get("problem"), Query(name="the batch"))
            if type(number) is not int or number in by_number:
                self._unexpected("a line is for an unknown patient, or the second one for a patient")
            by_number[number] = answer
        if set(by_number) != set(group):
            self._unexpected("the response has not exactly one result for each patient")
        return by_number

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        **sent: Any,  # noqa: ANN401 - arguments of httpx
    ) -> httpx.Response:
        """Send a request, again while the service is busy, and return the response."""
        for attempt in range(1, TRIES + 1):
            response = self._send(method, path, **sent)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            seconds = _seconds(response.headers.get("Retry-After", "1"))
            if attempt == TRIES or seconds > LONGEST_WAIT:
                message = f"{self.url}: still busy after {attempt} attempts; try again in {seconds:.0f} seconds"
                raise ServiceError(message)
            self._wait(seconds)
        if response.is_redirect:
            message = f"{self.url}: redirects to another address ({response.status_code}), which is not followed; "
            message += "use the address of the service itself"
            raise ServiceError(message)
        if not response.is_success:
            problem = self._problem(response)
            if query is None:
                raise InputError(str(problem["detail"])[:TEXT_LENGTH], self._issues(problem, None))
            message = "This patient cannot be scored."
            raise _input_error(message, self._issues(problem, query))
        return response

    def _send(self, method: str, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401
        """Send a request once and return the whole response, within the limits of size and time."""
        end = threading.Timer(ANSWER_SECONDS, self._http.close)  # also limits the time before the body
        end.daemon = True
        end.start()
        try:
            with self._http.stream(method, path, **sent) as response:
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    self._unexpected("it is compressed, which was not requested")
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > ANSWER_BYTES:
                        self._unexpected(f"it is longer than {ANSWER_BYTES >> 20} MiB")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            late = f"incomplete after {ANSWER_SECONDS:g} s" if self._http.is_closed else ""
            reason = late or str(error) or type(error).__name__
            message = f"{self.url}: no response ({reason}); check the address and that `cardiograph serve` runs there"
            raise ServiceError(message) from error
        finally:
            end.cancel()
        return httpx.Response(response.status_code, headers=response.headers, content=bytes(content))

    def _problem(self, response: httpx.Response) -> dict[str, Any]:
        """Return the problem document of a response, or a substitute if it has none (a proxy, say)."""
        plain = {"status": response.status_code, "detail": response.reason_phrase}
        try:
            content = from_json(response.content, allow_inf_nan=False)
        except ValueError:
            return plain
        return {**plain, **content} if isinstance(content, dict) else plain

    def _issues(self, problem: Any, query: Query | None) -> list[Issue]:  # noqa: ANN401 - any JSON
        """Return the issues of a problem, with the caller's name of the patient if ``query`` is one.

        Raises:
            ConfigError: If the service rejects the key.
            ServiceError: If the problem is not about the input.
        """
        try:
            refusal = _Refusal.model_validate(problem, strict=True)
        except ValidationError as error:
            self._unexpected("the error has unknown or missing fields", error)
        detail = refusal.detail[:TEXT_LENGTH]
        if refusal.status in (401, 403):
            message = f"{self.url}: {detail} The key is read from --key-file or CARDIOGRAPH_KEY."
            raise ConfigError(message)
        if not refusal.issues:
            message = f"{self.url}: {'' if query is None else f'{query.name}: '}{detail} (status {refusal.status})"
            raise ServiceError(message)
        issues = [Issue(**{name: text[:TEXT_LENGTH] for name, text in issue}) for issue in refusal.issues]
        return issues if query is None else [_renamed(issue, query) for issue in issues]

    def _json(self, content: bytes) -> Any:  # noqa: ANN401 - any JSON
        try:
            return from_json(content, allow_inf_nan=False)
        except ValueError as error:
            self._unexpected("it is not JSON", error)

    def _prediction(self, answer: Any) -> Prediction | LabelsPrediction:  # noqa: ANN401 - any JSON
        try:
            content = answer["prediction"]
            kind_of_answer(content).body.model_validate(content, strict=True)
            return prediction_from_dict(content)
        except (ValueError, KeyError, TypeError) as error:
            self._unexpected("it contains no prediction", error)

    def _unexpected(self, why: str, error: Exception | None = None) -> NoReturn:
        message = f"{self.url}: unexpected response for this version of cardiograph: {why}; compare the versions"
        raise ServiceError(message) from error


def _address(url: str) -> str:
    """Return an address without trailing slash; raise ConfigError if it is invalid or unencrypted."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    if parts.userinfo:
        message = "--url contains a name or password; pass the key with --key-file or CARDIOGRAPH_KEY"
        raise ConfigError(message)
    if parts.scheme not in ("http", "https") or not parts.host or parts.query or parts.fragment:
        message = f"--url {url}: expected an address such as https://host, or http://localhost:8000 on this machine"
        raise ConfigError(message)
    if parts.scheme == "http" and not is_loopback(parts.host):
        message = f"--url {url}: would send key and patient data unencrypted; use https"
        raise ConfigError(message)
    return str(parts).rstrip("/")


def _seconds(retry_after: str) -> float:
    """Return the seconds to wait. Source: RFC 9110, section 10.2.3: an integer, or a date."""
    if re.fullmatch(r"\s*[0-9]+\s*", retry_after):
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):
        return 1.0


def _input_error(message: str, issues: Sequence[Issue]) -> InputError:
    """Return a PageError if all issues concern pages, like the predictor, else an InputError."""
    only_pages = all(issue.where.startswith("page ") for issue in issues)
    return (PageError if only_pages else InputError)(message, issues)
