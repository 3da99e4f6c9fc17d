"""Templates, their filters and shared variables, and static files of the web UI."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cached_property
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from cardiograph.ecg.pages import SIGNAL_SUFFIXES, SIGNAL_TITLES
from cardiograph.imaging.reading import FORMAT_TITLES, PAGE_MEDIA_TYPES
from cardiograph.inference import Predictor
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.registry import WITHOUT_GRAPH
from cardiograph.service.api.kinds import kind_of_model
from cardiograph.service.settings import ServiceSettings
from cardiograph.service.state import NOTICE
from cardiograph.service.web.example import Example, example_of
from cardiograph.service.web.fractions import percent_text
from cardiograph.service.web.plain_words import ANY_PAGE, reason_of_map
from cardiograph.service.web.wording import confidence_of, limits_of

PREFIX = "/static/"

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_QUESTIONS = {"survival": ("What is the risk of", " over time?"), "multilabel": ("How likely are", "?")}
_RESULTS = {"survival": "the risk over time with its band", "multilabel": "a probability for each label"}
"""Words of the form for kinds of answers."""

_HASH_DIGITS = 12
"""Hexadecimal digits of the content's SHA-256 in a file name."""


class StaticFiles:
    """Static files of the web UI and of the map, read once; a request never reaches the file system."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}
        self._served: dict[str, tuple[bytes, str]] = {}
        packages = ("cardiograph.service.web", "cardiograph.patient_map")
        for file in (each for package in packages for each in (resources.files(package) / "static").iterdir()):
            stem, _, kind = file.name.rpartition(".")
            if f".{kind}" in MEDIA_TYPES:
                content = file.read_bytes()
                name = f"{stem}.{hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]}.{kind}"
                self._paths[file.name] = PREFIX + name
                self._served[name] = (content, MEDIA_TYPES[f".{kind}"])

    def path(self, name: str) -> str:
        """Return the URL path of a file."""
        return self._paths[name]

    def response(self, name: str) -> Response | None:
        """Return a file, cacheable for a year; None if there is no such file."""
        if name not in self._served:
            return None
        content, kind = self._served[name]
        return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})


class Site:
    """Renders the web UI of one model.

    Args:
        settings: Settings of the server.
        predictor: Loaded model.
        sha256: SHA-256 of the model's ``bundle.json``.
    """

    def __init__(self, settings: ServiceSettings, predictor: Predictor | LabelsPredictor, sha256: str) -> None:
        bundle = predictor.bundle
        kind = kind_of_model(predictor).name
        self.static = StaticFiles()
        self._bundle = bundle
        self.variables = () if bundle.scaler is None else bundle.scaler.variables
        self.titles = {each.name: each.title for each in self.variables}
        self.confidence = confidence_of(bundle)
        self.limits = limits_of(settings.run, bundle)
        self._environment = Environment(
            loader=PackageLoader("cardiograph.service.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"percent": percent, "points": points, "number": number, "distance": distance}
        self._environment.filters |= {"day": day, "in_percent": percent_text, "reason_of_map": reason_of_map}
        self._environment.filters |= {"capitalize_first": capitalize_first}
        self._environment.globals |= {
            "static": self.static.path,
            "outcome": predictor.outcome,
            "question": _QUESTIONS.get(kind, ("How likely is", "?")),
            "result": _RESULTS.get(kind, "a probability with its uncertainty"),
            "run": settings.run.resolve().name,
            "model_sha256": sha256,
            "notice": NOTICE,
            "variables": self.variables,
            "limits": self.limits,
            "takes_pages": bundle.served.encoder is not None,
            "uses_graph": bundle.served.model.name not in WITHOUT_GRAPH,
            "reference_records": len(bundle.reference),
            "page_formats": FORMAT_TITLES,
            "signal_formats": SIGNAL_TITLES,
            "page_media_types": f"{PAGE_MEDIA_TYPES}, {SIGNAL_SUFFIXES}",
            "upload_bytes": settings.upload_bytes,
            "hold_minutes": settings.hold_minutes,
            "keep_pages": settings.keep_pages,
            "shows_monitoring": not settings.keys_required,
            "any_page_label": ANY_PAGE,
        }

    @cached_property
    def example(self) -> Example:
        """The example patient; drawing its ECG takes a moment, so ask for it on a thread."""
        return example_of(self._bundle)

    def render(self, template: str, **context: Any) -> str:  # noqa: ANN401 - values of a template
        """Render a template."""
        return self._environment.get_template(template).render(context)


def site_of(request: Request) -> Site:
    """Return the site of the application."""
    found: Site = request.app.state.site
    return found


def percent(share: float) -> str:
    """Format a fraction: 0.4831 -> ``48.3 %`` with a no-break space; only 0 and 1 give 0 % and 100 %."""
    text = f"{100 * share:.1f}"
    if 0 < share < 1:
        text = {"0.0": "<\N{NO-BREAK SPACE}0.1", "100.0": ">\N{NO-BREAK SPACE}99.9"}.get(text, text)
    return f"{text}\N{NO-BREAK SPACE}%"


def points(effect: float) -> str:
    """Format an effect in signed percentage points: 0.0312 -> ``+3.1``; zero has no sign."""
    text = f"{100 * effect:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def number(value: float | None) -> str:
    """Format a value with up to 12 digits; a dash if it is missing."""
    return "–" if value is None else f"{value:.12g}"


def capitalize_first(text: str) -> str:
    """Return a text that begins with a capital letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def distance(value: float) -> str:
    """Format a distance: 3.4178 -> ``3.42``; small ones keep two significant digits."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def day(moment: str | datetime) -> str:
    """Format a date and time, in UTC."""
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
