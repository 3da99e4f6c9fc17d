"""Content negotiation: whether a client accepts the plain JSON of the API or FHIR."""

from __future__ import annotations

import re

from starlette.datastructures import Headers

FHIR = "application/fhir+json"
JSON = "application/json"

_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def accepted(headers: Headers) -> str | None:
    """Return the media type of the response to a request; None if the client accepts neither.

    FHIR is sent only if ``Accept`` names it with at least the quality of plain JSON, or if the request itself is FHIR and
    does not ask for plain JSON.

    Source: RFC 9110, section 12.5.1.
    """
    ranges = _ranges(headers) or {"*/*": 1.0}
    any_kind = next((ranges[each] for each in ("application/*", "*/*") if each in ranges), 0.0)
    fhir = ranges.get(FHIR, any_kind if is_fhir(headers) else 0.0)
    json = ranges.get(JSON, any_kind)
    if fhir > 0 and fhir >= json:
        return FHIR
    return JSON if json > 0 else None


def is_fhir(headers: Headers) -> bool:
    """Return whether the body of a request is FHIR."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == FHIR


def speaks_fhir(headers: Headers) -> bool:
    """Return whether errors are sent as FHIR: the client requests FHIR, possibly in a format that is not served."""
    named = any(each.startswith("application/fhir+") for each in _ranges(headers))
    return accepted(headers) != JSON and (named or is_fhir(headers))


def _ranges(headers: Headers) -> dict[str, float]:
    """Return media range -> quality."""
    found = {}
    for part in ",".join(headers.getlist("accept")).split(","):
        media, *parameters = (each.strip().lower() for each in part.split(";"))
        qualities = [match[1] for each in parameters if (match := _QUALITY.fullmatch(each))]
        if media:
            found[media] = float(qualities[0]) if qualities else 1.0
    return found
