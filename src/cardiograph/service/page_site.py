"""What all pages share: templates, static files, and what is said of the model."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request

from cardiograph.inference import Predictor
from cardiograph.models.titles import WITHOUT_GRAPH
from cardiograph.service.page_static import StaticFiles
from cardiograph.service.page_words import BLOCKS, confidence_of, limits_of
from cardiograph.service.serving import NOTICE
from cardiograph.service.settings import ServiceSettings


class Site:
    """The pages of one model.

    Args:
        settings: Of the server.
        predictor: The model.
        sha256: Of the model's ``bundle.json``.
    """

    def __init__(self, settings: ServiceSettings, predictor: Predictor, sha256: str) -> None:
        bundle = predictor.bundle
        self.static = StaticFiles()
        self.variables = () if bundle.scaler is None else bundle.scaler.variables
        self.confidence = confidence_of(bundle)
        self._environment = Environment(
            loader=PackageLoader("cardiograph.service"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"percent": percent, "points": points, "number": number, "distance": distance}
        self._environment.filters |= {"code": code, "day": day}
        self._environment.globals |= {
            "static": self.static.path,
            "outcome": bundle.served.outcome,
            "run": settings.run.resolve().name,
            "model_sha256": sha256,
            "notice": NOTICE,
            "blocks": BLOCKS,
            "variables": self.variables,
            "limits": limits_of(settings.run, bundle),
            "takes_pages": bundle.served.encoder is not None,
            "heard": bundle.served.model.name not in WITHOUT_GRAPH,
            "reference_records": len(bundle.reference),
            "upload_bytes": settings.upload_bytes,
            "hold_minutes": settings.hold_minutes,
            "keep_pages": settings.keep_pages,
        }

    def render(self, template: str, **context: Any) -> str:  # noqa: ANN401 - values of a template
        """A page."""
        return self._environment.get_template(template).render(context)


def site_of(request: Request) -> Site:
    """What the pages share."""
    found: Site = request.app.state.site
    return found


def percent(share: float) -> str:
    """0.4831 -> ``48.3 %``, which no line breaks; 0 % and 100 % are told only of 0 and 1."""
    told = f"{100 * share:.1f}"
    if 0 < share < 1:
        told = {"0.0": "<\N{NO-BREAK SPACE}0.1", "100.0": ">\N{NO-BREAK SPACE}99.9"}.get(told, told)
    return f"{told}\N{NO-BREAK SPACE}%"


def points(effect: float) -> str:
    """0.0312 -> ``+3.1``: percentage points with their sign; what rounds to nothing has none."""
    told = f"{100 * effect:+.1f}".replace("-", "−")
    return "0.0" if told in ("+0.0", "−0.0") else told


def number(value: float | None) -> str:
    """A value as it was typed; a dash where there is none."""
    return "–" if value is None else f"{value:.12g}"


def distance(value: float) -> str:
    """3.4178 -> ``3.42``; a small one keeps two digits that say something."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def day(moment: str | datetime) -> str:
    """A moment for people, in UTC."""
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def code(text: str) -> Markup:
    """Text in which ``backticks`` set commands apart."""
    parts = text.split("`")
    told = [Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)]
    return Markup("").join(told)
