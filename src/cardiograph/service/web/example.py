"""An example patient for trying the form: typical values, and an ECG that this program draws."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cardiograph.inference import Predictor, Query
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.service.records import PredictionEntry, Records
from cardiograph.service.web.form import FormInput, refilled_form

KEPT = "example"
"""Name in a form of the page of the example; every other name is random or the id of a prediction."""

_SEED = 1
_DIGITS = 3
"""Significant digits of a value."""


@dataclass(frozen=True)
class Example:
    """An example patient.

    Args:
        values: Variable -> median of the reference records; without variables that no reference record has.
        page: Drawn ECG as a PNG file; None for a model that reads no ECG.
    """

    values: Mapping[str, float]
    page: bytes | None

    def form(self, percent: frozenset[str]) -> FormInput:
        """Return the filled-in form; ``percent`` names the variables that are written in percent."""
        return refilled_form(Query(self.page, self.values), KEPT, percent)

    def hashes(self, records: Records) -> tuple[str | None, str]:
        """Return the SHA-256 of the page, None without one, and the HMAC of the values."""
        page = None if self.page is None else hashlib.sha256(self.page).hexdigest()
        return page, records.hmac_of(self.values)

    def made(self, entry: PredictionEntry, records: Records) -> bool:
        """Return whether a stored prediction is that of this example, unchanged."""
        return (entry.page_sha256, entry.values_hmac) == self.hashes(records)


def example_of(predictor: Predictor | LabelsPredictor) -> Example:
    """Make the example of a model: the same one each time."""
    values, bundle = {}, predictor.bundle
    variables = () if bundle.scaler is None else bundle.scaler.variables
    for variable, median in zip(variables, predictor.records.medians.tolist(), strict=True):
        if np.isfinite(median):
            whole = variable.whole or bool(variable.categories)
            value = float(round(median)) if whole else float(f"{median:.{_DIGITS}g}")
            values[variable.name] = min(max(value, variable.low), variable.high)
    return Example(values, None if bundle.served.encoder is None else _drawn_page())


def _drawn_page() -> bytes:
    """Draw the ECG of a healthy simulated heart, and return it as a PNG file that says what it is."""
    from cardiograph.ecg.draw.paper import draw_page
    from cardiograph.synthesis.heart import RATE_HZ, record_ecg
    from cardiograph.synthesis.waves import Heart

    signal = record_ecg(Heart(), np.random.default_rng(_SEED))
    page = draw_page(signal, RATE_HZ, header=("EXAMPLE ECG, SIMULATED: NO REAL PATIENT", "25 mm/s     10 mm/mV"))
    file = io.BytesIO()
    Image.fromarray(page.pixels).save(file, "PNG")
    return file.getvalue()
