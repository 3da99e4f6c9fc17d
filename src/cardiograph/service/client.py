"""Asks a running service instead of a run's folder: the same questions, the same answers."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, Self

import httpx

from cardiograph import __version__
from cardiograph.containers import Prediction
from cardiograph.errors import ConfigError, InputError, Issue, PageError, ServiceError
from cardiograph.service.asked import Asked, requests

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""Seconds: for the network to take or give the next bytes, and to reach the service at all."""

TRIES = 6
"""How often a request is sent while the service answers 429."""

LONGEST_WAIT = 60.0
"""Seconds; a service that asks for more is busy, and says so."""


class ServiceClient:
    """A service at an address; a context manager.

    Args:
        url: Such as ``https://host`` or ``http://127.0.0.1:8000``; a path before the service's own is kept.
        key: Of the service, where it asks for one.
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
        headers = {"User-Agent": f"cardiograph/{__version__}", "Accept": "application/json"}
        if key is not None:
            if not re.fullmatch(r"[!-~]+", key):
                message = "the key is empty, or holds a space, a line break or a letter that no key has; copy it again"
                raise ConfigError(message)
            headers["Authorization"] = f"Bearer {key}"
        secret = self.url.startswith("https:")  # plain http is for this machine, and through no proxy
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=TIMEOUT, transport=transport, trust_env=secret
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
        told = self._json(self._ask("GET", "/v1/model"))
        if not isinstance(told, dict):
            self._strange("the model is no object")
        return told

    def predict(self, asked: Asked) -> Prediction:
        """Score one patient.

        Raises:
            InputError: The page or a value cannot be used.
            ServiceError: The service cannot be reached, is busy, refuses the key, or fails.
        """
        page = asked.content()
        fields: dict[str, Any] = {"values": (None, json.dumps(asked.known()), "application/json")}
        if asked.patient_id is not None:
            fields["patient_id"] = (None, asked.patient_id)
        if asked.gate is not None:
            fields["gate"] = (None, json.dumps(asked.gate))
        if page is not None:
            fields["page"] = ("page", page, "application/octet-stream")  # a file's name may be a patient's
        response = self._ask("POST", "/v1/predictions", asked=asked, files=fields)
        return self._prediction(self._json(response))

    def predict_many(self, patients: Iterable[Asked]) -> Iterator[Prediction]:
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

    def predict_each(self, patients: Iterable[Asked]) -> Iterator[Prediction | InputError]:
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

    def _batch(self, body: bytes, group: Mapping[int, Asked]) -> dict[int, dict[str, Any]]:
        """The answer to each line of a request."""
        kind = "application/x-ndjson"
        headers = {"Content-Type": kind, "Accept": kind}
        response = self._ask("POST", "/v1/predictions/batch", content=body, headers=headers)
        try:
            answers = [json.loads(line) for line in response.content.split(b"\n") if line.strip()]
            by_number = {answer["id"]: answer for answer in answers}
            broken_off = by_number.get(None, {}).get("problem")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._strange("a line of the answer is none", error)
        if broken_off:
            self._issues(broken_off, Asked(name="the batch"))
        if set(by_number) != set(group):
            self._strange("the answers are not one for each patient")
        return by_number

    def _ask(self, method: str, path: str, *, asked: Asked | None = None, **sent: Any) -> httpx.Response:  # noqa: ANN401
        """The answer to a request, which is sent again while the service is busy."""
        for attempt in range(1, TRIES + 1):
            try:
                response = self._http.request(method, path, **sent)
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                message = f"{self.url}: no answer ({reason}); check the address and that `cardiograph serve` runs there"
                raise ServiceError(message) from error
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            seconds = _seconds(response.headers.get("Retry-After", "1"))
            if attempt == TRIES or seconds > LONGEST_WAIT:
                message = f"{self.url}: busy, and still so after {attempt} tries; try again in {seconds:.0f} seconds"
                raise ServiceError(message)
            self._wait(seconds)
        if not response.is_success:
            problem = self._problem(response)
            message = "This patient cannot be scored."
            raise _input_error(message, self._issues(problem, asked or Asked()))
        return response

    def _problem(self, response: httpx.Response) -> dict[str, Any]:
        """A problem document, or what stands in for one where something else than the service answered."""
        try:
            told = response.json()
        except ValueError:
            told = None
        plain = {"status": response.status_code, "detail": response.reason_phrase}
        return {**plain, **told} if isinstance(told, dict) else plain

    def _issues(self, problem: Mapping[str, Any], asked: Asked) -> list[Issue]:
        """The faults that a problem names.

        Raises:
            ConfigError: The key is not taken.
            ServiceError: The problem is none of the input.
        """
        status, detail = problem.get("status"), problem.get("detail") or problem.get("title") or "no reason given"
        if status in (401, 403):
            message = f"{self.url}: {detail} The key comes from --key-file, or from CARDIOGRAPH_KEY."
            raise ConfigError(message)
        try:
            issues = [asked.named(Issue(**issue)) for issue in problem.get("issues") or ()]
        except TypeError as error:
            self._strange("the issues have other fields", error)
        if not issues:
            message = f"{self.url}: {asked.name}: {detail} (status {status})"
            raise ServiceError(message)
        return issues

    def _json(self, response: httpx.Response) -> Any:  # noqa: ANN401 - whatever was answered
        try:
            return response.json()
        except ValueError as error:
            self._strange("it is no JSON", error)

    def _prediction(self, answer: Any) -> Prediction:  # noqa: ANN401 - whatever was answered
        try:
            return Prediction.from_dict(answer["prediction"])
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
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 1.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _input_error(message: str, issues: Sequence[Issue]) -> InputError:
    """Of pages where nothing else is wrong, as the predictor tells them apart."""
    only_pages = all(issue.where.startswith("page ") for issue in issues)
    return (PageError if only_pages else InputError)(message, issues)
