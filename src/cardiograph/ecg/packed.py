"""Leads as bytes, for a cache."""

from __future__ import annotations

import io
import json

import numpy as np

from cardiograph.ecg.ecg import Ecg

UNREADABLE = b""
"""Content of the cache for a page whose leads cannot be read."""


def pack(leads: Ecg | None) -> bytes:
    """Return leads as bytes for the cache, without loss; :data:`UNREADABLE` for None."""
    if leads is None:
        return UNREADABLE
    content = io.BytesIO()
    facts = {"rate": leads.rate, "source": leads.source, "derived": leads.derived, "notes": leads.notes}
    np.savez_compressed(content, signal=leads.signal, facts=json.dumps(facts))
    return content.getvalue()


def unpack(content: bytes) -> Ecg | None:
    """Return the leads that :func:`pack` packed."""
    if content == UNREADABLE:
        return None
    with np.load(io.BytesIO(content)) as arrays:
        facts = json.loads(str(arrays["facts"]))
        signal = arrays["signal"]
    return Ecg(signal, facts["rate"], facts["source"], tuple(facts["derived"]), notes=tuple(facts["notes"]))
