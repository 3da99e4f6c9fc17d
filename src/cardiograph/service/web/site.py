"""Templates, their filters and shared variables, and static files of the web UI."""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib import resources
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from cardiograph.ecg.pages import SIGNAL_SUFFIXES, SIGNAL_TITLES
from cardiograph.imaging.reading import FORMAT_TITLES, PAGE_MEDIA_TYPES
from cardiograph.inference import Predictor
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.patient_map.assets import texts_of_script
from cardiograph.registry import WITHOUT_GRAPH
from cardiograph.service.api.kinds import kind_of_model
from cardiograph.service.settings import ServiceSettings
from cardiograph.service.state import NOTICE
from cardiograph.service.web.example import Example, example_of
from cardiograph.service.web.formats import (
    capitalize_first,
    day,
    decimals,
    distance,
    number,
    percent,
    points,
    significant,
)
from cardiograph.service.web.fractions import percent_text
from cardiograph.service.web.language import SOURCE, current, deferred, gettext, languages, numerals
from cardiograph.service.web.language_choice import address_in
from cardiograph.service.web.other_texts import term, translated
from cardiograph.service.web.plain_words import ANY_PAGE, reason_of_map
from cardiograph.service.web.wording import confidence_of, limits_of, shown_names

PREFIX = "/static/"

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_QUESTIONS = {
    "survival": deferred("What is the risk of <em>%(outcome)s</em> over time?"),
    "multilabel": deferred("How likely are <em>%(outcome)s</em>?"),
}
_RESULTS = {
    "survival": deferred("The result is the risk over time with its band and an explanation."),
    "multilabel": deferred("The result is a probability for each label and an explanation."),
}
"""Words of the form for kinds of answers, to be translated."""

_HASH_DIGITS = 12
"""Hexadecimal digits of the content's SHA-256 in a file name."""


MAP_NAMES = (deferred("Class"), deferred("Site"), deferred("this patient"), deferred("euclidean"), deferred("cosine"))
"""Names in the content of the map."""


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
        self._bundle, self._predictor = bundle, predictor
        self.variables = () if bundle.scaler is None else bundle.scaler.variables
        self.confidence = confidence_of(bundle)
        self.limits = limits_of(settings.run, bundle)
        self._environment = Environment(
            loader=ChoiceLoader(
                [PackageLoader("cardiograph.service.web"), PackageLoader("cardiograph.patient_map", "static")]
            ),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.policies["ext.i18n.trimmed"] = True
        self._environment.install_gettext_callables(  # type: ignore[attr-defined]  # added by the extension
            lambda text: current().translations.gettext(text),
            lambda one, many, number: current().translations.ngettext(one, many, number),
            newstyle=True,
        )
        self._environment.filters |= {"percent": percent, "points": points, "number": number, "distance": distance}
        self._environment.filters |= {"day": day, "in_percent": _in_percent, "reason_of_map": reason_of_map}
        self._environment.filters |= {
            "decimals": decimals,
            "capitalize_first": capitalize_first,
            "significant": significant,
            "numerals": numerals,
            "term": term,
            "translated": translated,
        }
        self._environment.globals |= {
            "static": self.static.path,
            "outcome": predictor.outcome,
            "question": _QUESTIONS.get(kind, deferred("How likely is <em>%(outcome)s</em>?")),
            "result": _RESULTS.get(
                kind, deferred("The result is a probability with its uncertainty and an explanation.")
            ),
            "run": settings.run.resolve().name,
            "model_sha256": sha256,
            "notice": NOTICE,
            "variables": self.variables,
            "limits": self.limits,
            "takes_pages": bundle.served.encoder is not None,
            "uses_graph": bundle.served.model.name not in WITHOUT_GRAPH,
            "reference_records": len(predictor.records),
            "page_formats": FORMAT_TITLES,
            "signal_formats": SIGNAL_TITLES,
            "page_media_types": f"{PAGE_MEDIA_TYPES}, {SIGNAL_SUFFIXES}",
            "upload_bytes": settings.upload_bytes,
            "hold_minutes": settings.hold_minutes,
            "keep_pages": settings.keep_pages,
            "shows_monitoring": not settings.keys_required,
            "any_page_label": ANY_PAGE,
            "languages": languages(),
            "address_in": address_in,
        }

    @property
    def titles(self) -> dict[str, str]:
        """Variable -> title, in the language of the request."""
        return {each.name: term(each.title) for each in self.variables}

    def texts_of_map(self) -> dict[str, str]:
        """Return the texts and names on the map of the patient graph, in English -> in the language of the request."""
        if current().code == SOURCE:
            return {}
        names = shown_names(self._bundle.served.outcome, self._bundle.served.classes)
        known = [*texts_of_script(), *MAP_NAMES]
        known += [name for each in self.variables for name in (each.title, each.unit, *each.words)]
        found = {text: term(text) for text in known} | names
        return found | {
            f"Probability of {name}": gettext("Probability of %(name)s", name=names[name]) for name in names
        }

    @cached_property
    def example(self) -> Example:
        """The example patient; drawing its ECG takes a moment, so ask for it on a thread."""
        return example_of(self._predictor)

    def render(self, template: str, **context: Any) -> str:  # noqa: ANN401 - values of a template
        """Render a template in the language of the request."""
        return self._environment.get_template(template).render(context, language=current())


def site_of(request: Request) -> Site:
    """Return the site of the application."""
    found: Site = request.app.state.site
    return found


def _in_percent(value: float) -> str:
    return numerals(percent_text(value))
