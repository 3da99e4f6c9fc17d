"""Asks a running service instead of a run's folder: the same questions, the same answers."""

from __future__ import annotations

import base64
import ipaddress
import json
import math
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
from cardiograph.containers import Prediction, Query
from cardiograph.errors import ConfigError, InputError, Issue, PageError, ServiceError
from cardiograph.service.api.schemas import IssueAnswer, PredictionBody

REQUEST_LINES, REQUEST_BYTES = 16, 4 << 20
"""A batch goes in requests of so many patients, or so many bytes: answers are read only after all of a request is sent."""


def _page_of(query: Query) -> bytes | None:
    """Read the page of a query.

    Raises:
        PageError: The file cannot be read, is empty, or is no image.
    """
    from cardiograph.imaging.reading import page_bytes

    return page_bytes(query.page) if isinstance(query.page, Path) else query.page


def _values_of(query: Query) -> dict[str, float]:
    """Return the values that are given: JSON has no NaN."""
    return {name: value for name, value in query.clinical.items() if value is not None and not math.isnan(value)}


def _line_of(query: Query, number: int) -> bytes:
    """Write a query as a line of a batch.

    Raises:
        PageError: The page cannot be read.
    """
    page = _page_of(query)
    content: dict[str, object] = {
        "id": number,
        "page": None if page is None else base64.b64encode(page).decode(),
        "values": _values_of(query),
        "patient_id": query.patient_id,
    }
    if query.gate is not None:
        content["gate"] = query.gate
    return json.dumps(content).encode() + b"\n"


def _renamed(issue: Issue, query: Query) -> Issue:
    """Return an issue of the service under the names by which the caller knows patient and page."""
    page = f"page {query.page.name}" if isinstance(query.page, Path) else None
    return replace(issue, where=page if page and issue.where.startswith("page ") else query.name)


def requests(patients: Iterable[Query], refused: dict[int, InputError]) -> Iterator[tuple[bytes, dict[int, Query]]]:
    """The bodies of requests, each with its patients by the number that their line has.

    Args:
        patients: In order.
        refused: Takes the errors of patients whose page cannot be sent, by their number; they are in no request.
    """
    body, group = b"", dict[int, Query]()
    for number, query in enumerate(patients):
        try:
            line = _line_of(query, number)
        except PageError as error:
            refused[number] = error
            continue
        if group and (len(group) == REQUEST_LINES or len(body) + len(line) > REQUEST_BYTES):
            yield body, group
            body, group = b"", {}
        body += line
        group[number] = query
    if group:
        yield body, group


ANSWER_BYTES = 4 << 20
"""Size of an answer at most: model cards and the answers to a batch are far below."""


TEXT_LENGTH = 500
"""Letters of a text of the service that an error repeats."""


ANSWER_SECONDS = 600.0
"""Time of a request and its whole answer: each patient of a batch may take the service's 20 s."""


TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""Seconds: for the network to take or give the next bytes, and to reach the service at all."""


TRIES = 6
"""How often a request is sent while the service answers 429."""


LONGEST_WAIT = 60.0
"""Seconds; a service that asks for more is busy, and says so."""


class _Refusal(BaseModel):
    """What of a problem document is looked at."""

    status: int
    detail: str = "no reason given"
    issues: Annotated[list[IssueAnswer], FailFast()] = []


class ServiceClient:
    """A service at an address; a context manager.

    Args:
        url: Such as ``https://host`` or ``http://127.0.0.1:8000``; a path before the service's own is kept.
        key: Key of the service, where it asks for one.
        transport: In the place of the network, for tests.
        wait: Called with the seconds to wait before a request is sent again.

    Raises:
        ConfigError: The address is none, has a name or password in it, or is plain http to another machine; the key is none.
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
            "Accept-Encoding": "identity",  # a few bytes can unpack to gigabytes
        }
        if key is not None:
            if not re.fullmatch(r"[!-~]+", key):
                message = "the key is empty, or holds a space, a line break or a letter that no key has; copy it again"
                raise ConfigError(message)
            headers["Authorization"] = f"Bearer {key}"
        secret = self.url.startswith("https:")  # plain http is for this machine, and through no proxy
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none is kept
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
        """What the service tells of its model.

        Raises:
            ServiceError: No such answer.
        """
        told = self._json(self._ask("GET", "/v1/model").content)
        if not isinstance(told, dict):
            self._strange("the model is no object")
        return told

    def predict(self, query: Query) -> Prediction:
        """Score one patient.

        Raises:
            InputError: The page or a value cannot be used.
            ServiceError: The service cannot be reached, is busy, refuses the key, or fails.
        """
        page = _page_of(query)
        fields: dict[str, Any] = {"values": (None, json.dumps(_values_of(query)), "application/json")}
        if query.patient_id is not None:
            fields["patient_id"] = (None, str(query.patient_id))
        if query.gate is not None:
            fields["gate"] = (None, json.dumps(query.gate))
        if page is not None:
            fields["page"] = ("page", page, "application/octet-stream")  # a file's name may be a patient's
        response = self._ask("POST", "/v1/predictions", query=query, files=fields)
        return self._prediction(self._json(response.content))

    def predict_many(self, patients: Iterable[Query]) -> Iterator[Prediction]:
        """Score patients, in order.

        Raises:
            InputError: With the faults of all patients, those after the first bad one too; no answer is given after it.
            ServiceError: As :meth:`predict`.
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

    def predict_each(self, patients: Iterable[Query]) -> Iterator[Prediction | InputError]:
        """Score patients, in order; who cannot be scored has the error, with all faults, in the place of the answer.

        Raises:
            ServiceError: As :meth:`predict`.
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
        """The answer to each line of a request."""
        kind = "application/x-ndjson"
        headers = {"Content-Type": kind, "Accept": kind}
        response = self._ask("POST", "/v1/predictions/batch", content=body, headers=headers)
        by_number: dict[int, dict[str, Any]] = {}
        for line in filter(bytes.strip, response.content.split(b"\n")):
            answer = self._json(line)
            number = answer.get("id", "") if isinstance(answer, dict) else ""
            if number is None:
                self._issues(answer.get("problem"), Query(name="the batch"))
            if type(number) is not int or number in by_number:
                self._strange("a line of the answer is for no patient, or for one that has another")
            by_number[number] = answer
        if set(by_number) != set(group):
            self._strange("the answers are not one for each patient")
        return by_number

    def _ask(self, method: str, path: str, *, query: Query | None = None, **sent: Any) -> httpx.Response:  # noqa: ANN401
        """The answer to a request, which is sent again while the service is busy."""
        for attempt in range(1, TRIES + 1):
            response = self._answer(method, path, **sent)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            seconds = _seconds(response.headers.get("Retry-After", "1"))
            if attempt == TRIES or seconds > LONGEST_WAIT:
                message = f"{self.url}: busy, and still so after {attempt} tries; try again in {seconds:.0f} seconds"
                raise ServiceError(message)
            self._wait(seconds)
        if response.is_redirect:
            message = f"{self.url}: sends on to another address ({response.status_code}), where nothing was sent; "
            message += "give the address of the service itself"
            raise ServiceError(message)
        if not response.is_success:
            message = "This patient cannot be scored."
            raise _input_error(message, self._issues(self._problem(response), query or Query()))
        return response

    def _answer(self, method: str, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401
        """One request and its whole answer, within the limits of size and time, whatever the service does."""
        end = threading.Timer(ANSWER_SECONDS, self._http.close)  # also ends what is read before the body
        end.daemon = True
        end.start()
        try:
            with self._http.stream(method, path, **sent) as response:
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    self._strange("it is compressed, which was not asked for")
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > ANSWER_BYTES:
                        self._strange(f"it is longer than {ANSWER_BYTES >> 20} MiB")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            late = f"not whole after {ANSWER_SECONDS:g} s" if self._http.is_closed else ""
            reason = late or str(error) or type(error).__name__
            message = f"{self.url}: no answer ({reason}); check the address and that `cardiograph serve` runs there"
            raise ServiceError(message) from error
        finally:
            end.cancel()
        return httpx.Response(response.status_code, headers=response.headers, content=bytes(content))

    def _problem(self, response: httpx.Response) -> dict[str, Any]:
        """A problem document, or what stands in for one where something else than the service answered."""
        plain = {"status": response.status_code, "detail": response.reason_phrase}
        try:
            told = from_json(response.content, allow_inf_nan=False)
        except ValueError:
            return plain
        return {**plain, **told} if isinstance(told, dict) else plain

    def _issues(self, problem: Any, query: Query) -> list[Issue]:  # noqa: ANN401 - whatever was answered
        """The faults that a problem names.

        Raises:
            ConfigError: The key is not taken.
            ServiceError: The problem is none of the input.
        """
        try:
            told = _Refusal.model_validate(problem, strict=True)
        except ValidationError as error:
            self._strange("the refusal has other fields", error)
        detail = told.detail[:TEXT_LENGTH]
        if told.status in (401, 403):
            message = f"{self.url}: {detail} The key comes from --key-file, or from CARDIOGRAPH_KEY."
            raise ConfigError(message)
        if not told.issues:
            message = f"{self.url}: {query.name}: {detail} (status {told.status})"
            raise ServiceError(message)
        return [_renamed(Issue(**{name: text[:TEXT_LENGTH] for name, text in issue}), query) for issue in told.issues]

    def _json(self, content: bytes) -> Any:  # noqa: ANN401 - whatever was answered
        try:
            return from_json(content, allow_inf_nan=False)
        except ValueError as error:
            self._strange("it is no JSON", error)

    def _prediction(self, answer: Any) -> Prediction:  # noqa: ANN401 - whatever was answered
        try:
            content = answer["prediction"]
            PredictionBody.model_validate(content, strict=True)
            return Prediction.from_dict(content)
        except (ValueError, KeyError, TypeError) as error:
            self._strange("there is no prediction in it", error)

    def _strange(self, why: str, error: Exception | None = None) -> NoReturn:
        message = f"{self.url}: answers, but not as this version of cardiograph expects: {why}; compare the versions"
        raise ServiceError(message) from error


def _address(url: str) -> str:
    """An address without its last slash, over which nobody reads along."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    if parts.userinfo:
        message = "--url has a name or password in it; give the key by --key-file, or in CARDIOGRAPH_KEY"
        raise ConfigError(message)
    if parts.scheme not in ("http", "https") or not parts.host or parts.query or parts.fragment:
        message = f"--url {url}: expected an address such as https://host, or http://localhost:8000 on this machine"
        raise ConfigError(message)
    if parts.scheme == "http" and not _loopback(parts.host):
        message = f"--url {url}: would send key and patients readable by everyone on the way; use https"
        raise ConfigError(message)
    return str(parts).rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seconds(retry_after: str) -> float:
    """Seconds to wait. Source: RFC 9110, section 10.2.3: a whole number, or a date."""
    if re.fullmatch(r"\s*[0-9]+\s*", retry_after):
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):
        return 1.0


def _input_error(message: str, issues: Sequence[Issue]) -> InputError:
    """Of pages where nothing else is wrong, as the predictor tells them apart."""
    only_pages = all(issue.where.startswith("page ") for issue in issues)
    return (PageError if only_pages else InputError)(message, issues)
