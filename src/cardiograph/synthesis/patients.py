"""Generate patient number i of a seed: hidden state, one or two records, and their pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cardiograph.ecg.draw.paper import PaperLayout, draw_page
from cardiograph.ecg.draw.scan import draw_scan_style, encode_jpeg, scan_page
from cardiograph.ecg.ecg import Ecg
from cardiograph.synthesis.ceiling import MISSING_SHARE
from cardiograph.synthesis.density import Draws, draw
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.states import components
from cardiograph.synthesis.variables import CONDUCTIONS, LATENTS, RHYTHMS, column
from cardiograph.synthesis.waves import Heart

TWO_ECGS_SHARE: Final = 0.12
"""Share of patients with a second ECG."""

VISIT_CORRELATION: Final = 0.9
"""Correlation of a latent variable between two records of a patient; both records follow the same density."""

FIRST_DAY: Final = np.datetime64("2019-01-01")
SITES: Final = {
    "A": PaperLayout(),
    "B": PaperLayout(minor=(251, 228, 206), major=(242, 190, 146), frame=(236, 160, 110)),
    "C": PaperLayout(grid="dots", minor=(220, 190, 190), major=(246, 200, 200)),
}
"""Hospitals and their paper; drawn independently of everything else, so that they carry no information."""

_SITE_SHARES = (0.5, 0.3, 0.2)


@dataclass(frozen=True)
class Record:
    """One ECG of a patient, with the clinical values of that day.

    Args:
        record_id: Record id, such as ``P000012-1``.
        patient_id: Patient id, such as ``P000012``.
        site: Key of ``SITES``.
        acquired_at: Date of the recording in ISO format.
        latents: One row with all latent variables.
        missing: Names of the clinical values that are missing from the table.
        seed: Seed of the page.
    """

    record_id: str
    patient_id: str
    site: str
    acquired_at: str
    latents: Draws
    missing: frozenset[str]
    seed: np.random.SeedSequence

    @property
    def heart(self) -> Heart:
        """Parameters of the heart that the ECG shows."""
        values: dict[str, float] = {}
        for latent, gaussian in zip(LATENTS, self.latents.gaussian[0], strict=True):
            if latent.kind == "ecg" and not np.isnan(gaussian):
                values[latent.name] = float(latent.from_gaussian(gaussian))
        rhythm, conduction = int(self.latents.rhythm[0]), int(self.latents.conduction[0])
        return Heart(rhythm=RHYTHMS[rhythm], conduction=CONDUCTIONS[conduction], **values)


def patient_records(seed: int, number: int) -> tuple[Record, ...]:
    """Generate the records of one patient; they do not depend on the number of patients.

    Args:
        seed: Seed of the cohort.
        number: Number of the patient, from 0.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    first = draw(1, rng)
    site = str(rng.choice(list(SITES), p=_SITE_SHARES))
    day = FIRST_DAY + int(rng.integers(0, 5 * 365))
    visits = [(first, day)]
    if rng.random() < TWO_ECGS_SHARE:
        visits.append((_later(first, rng), day + int(rng.integers(20, 500))))
    records = []
    for visit, (latents, date) in enumerate(visits, start=1):
        missing = frozenset(name for name, share in MISSING_SHARE.items() if rng.random() < share)
        page_seed = np.random.SeedSequence(seed, spawn_key=(number, visit))
        patient = f"P{number:06d}"
        records.append(Record(f"{patient}-{visit}", patient, site, str(date), latents, missing, page_seed))
    return tuple(records)


def draw_record(record: Record) -> bytes:
    """Draw the page of a record and return it as the content of a JPEG file.

    Args:
        record: Record from :func:`patient_records`.
    """
    rng = np.random.default_rng(record.seed)
    layout = SITES[record.site]
    signal = record_ecg(record.heart, rng)
    header = (
        "12-LEAD ECG    SYNTHETIC, NO REAL PATIENT",
        f"ID: {record.record_id}     Date: {record.acquired_at}     Site: {record.site}",
        f"Heart rate: {record.heart.rate:.0f}/min     25 mm/s     10 mm/mV     0.05-40 Hz",
    )
    style = draw_scan_style(rng)
    page = scan_page(draw_page(signal, RATE_HZ, layout=layout, header=header), style, rng)
    return encode_jpeg(page, style.quality)


def record_signal(record: Record) -> Ecg:
    """Return the recording that the page of a record shows: ten seconds of twelve leads at 500 Hz.

    Args:
        record: Record from :func:`patient_records`.
    """
    signal = record_ecg(record.heart, np.random.default_rng(record.seed))
    return Ecg(signal.astype(np.float32), RATE_HZ, "simulated")


def _later(first: Draws, rng: np.random.Generator) -> Draws:
    """Draw the same patient on a later day: same state, age and NYHA class, the other values correlated."""
    table = components()
    mean = table.mean[first.component]
    fresh = table.spread * rng.standard_normal(mean.shape)
    gaussian = mean + VISIT_CORRELATION * (first.gaussian - mean) + np.sqrt(1 - VISIT_CORRELATION**2) * fresh
    gaussian[:, column("age")] = first.gaussian[:, column("age")]
    return replace(first, gaussian=gaussian)
