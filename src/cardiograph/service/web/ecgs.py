"""Drawings of stored ECGs: those of similar patients next to that of this patient, and that of one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cardiograph.artifacts.reference_ecgs import RATE_HZ, leads_in, stored
from cardiograph.ecg.draw.svg import draw_side_by_side
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.inference.reference_records import ReferenceRecords
from cardiograph.service.web.language import gettext

NEAREST = 3
"""Number of similar records whose ECGs are drawn."""


@dataclass(frozen=True)
class EcgComparison:
    """ECGs at one scale.

    Args:
        own: Drawing of this patient's ECG; None if the leads are not known.
        similar: Name of each similar record, nearest first, and the drawing of its ECG; None if none is stored.
    """

    own: Markup | None
    similar: tuple[tuple[str, Markup | None], ...]


def compared_ecgs(
    records: ReferenceRecords, neighbours: Sequence[Mapping[str, Any]], leads: Ecg | None
) -> EcgComparison | None:
    """Draw the ECGs of the nearest records next to that of this patient.

    Args:
        records: Reference records of the model.
        neighbours: Similar records of a prediction, nearest first.
        leads: This patient's ECG; None if there is none, or its leads are not known.

    Returns:
        The drawings; None if the model stores no ECGs, or there are no similar records.
    """
    nearest = [str(each["record_id"]) for each in neighbours[:NEAREST]]
    if not records.stores_ecgs or not nearest:
        return None
    found = {name: ecg for name in nearest if (ecg := records.ecg(name)) is not None}
    own = None if leads is None else leads_in(stored(leads))
    patient = [] if own is None else [own]
    titles = [_title(gettext("ECG of this patient"), each) for each in patient]
    titles += [_title(gettext("ECG of record %(record)s", record=name), ecg) for name, ecg in found.items()]
    drawn = [Markup(each) for each in draw_side_by_side([*patient, *found.values()], titles, rate=RATE_HZ)]  # noqa: S704 - texts are escaped
    of_records = dict(zip(found, drawn[len(patient) :], strict=True))
    return EcgComparison(drawn[0] if patient else None, tuple((name, of_records.get(name)) for name in nearest))


def record_drawing(name: str, ecg: NDArray[np.float32]) -> str:
    """Draw the stored ECG of one record, [12, samples] in mV."""
    title = _title(gettext("ECG of record %(record)s", record=name), ecg)
    return draw_side_by_side([ecg], [title], rate=RATE_HZ)[0]


def _title(name: str, ecg: NDArray[np.float32]) -> str:
    """Return the text alternative of a drawing, with the leads that are absent."""
    title = gettext("%(name)s: 2.5 seconds of each of the twelve leads, at 25 mm/s and 10 mm/mV.", name=name)
    absent = ", ".join(lead for lead, row in zip(LEADS, ecg, strict=True) if not np.isfinite(row).any())
    return title + (" " + gettext("Not recorded: %(leads)s.", leads=absent) if absent else "")
