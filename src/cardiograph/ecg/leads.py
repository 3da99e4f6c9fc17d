"""The twelve leads of an ECG: names, order, and the computation of the four derived leads."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Order of the rows of every twelve-lead signal."""

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The eight independent leads; III, aVR, aVL and aVF are linear combinations of I and II."""


def twelve_leads(independent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute twelve leads from the eight independent ones.

    III = II - I (Einthoven); aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2 (Goldberger).

    Args:
        independent: [8, samples] float64 in mV, rows as in ``INDEPENDENT``.

    Returns:
        [12, samples] float64 in mV, rows as in ``LEADS``.

    Raises:
        ValueError: If there are not eight rows.

    Source: W. Einthoven, Arch. ges. Physiol. 150 (1913) 275; E. Goldberger, Am. Heart J. 23 (1942) 483.
    """
    if independent.ndim != 2 or len(independent) != len(INDEPENDENT):
        message = f"independent leads have shape {independent.shape}; needed: [8, samples] in the order {INDEPENDENT}"
        raise ValueError(message)
    one, two, chest = independent[0], independent[1], independent[2:]
    limb = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2])
    return np.concatenate([limb, chest])


LIMB = LEADS[:6]
CHEST = LEADS[6:]

LIMB_WEIGHTS = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""Weight of lead I and of lead II in each limb lead. Source: Einthoven 1913, Goldberger 1942."""

_LEAD = re.compile(r"(?:(?:lead|ecg)[\s_:.]*)?(-?)\s*(i{1,3}|av[rlf]|v[1-6])", re.IGNORECASE)
_SPELLING = {lead.upper(): lead for lead in LEADS}


@lru_cache(maxsize=256)
def lead_name(text: str) -> tuple[str, int] | None:
    """Return the lead that a channel name means, and its sign.

    Upper and lower case do not matter, ``Lead``, ``ECG`` and ``MDC_ECG_LEAD_`` before the name are ignored, and
    ``-aVR`` is the inverted lead that the Cabrera order shows.

    Returns:
        Name as in :data:`LEADS` and +1 or -1, or None if the channel is not one of the twelve leads.
    """
    found = _LEAD.fullmatch(text.strip().removeprefix("MDC_ECG_LEAD_"))
    if found is None:
        return None
    return _SPELLING[found[2].upper()], -1 if found[1] else 1
