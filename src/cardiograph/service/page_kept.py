"""The page of a form that comes back: a browser cannot fill in a file again, so it is held here for the next form."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace

from cardiograph.inference import Query
from cardiograph.service.access import Caller
from cardiograph.service.held import HeldQueries
from cardiograph.service.page_form import Typed

_FORM = "form-"
"""Before the names of pages that are held for a form; no prediction is called so."""


def keep_page(typed: Typed, held: HeldQueries, caller: Caller) -> Typed:
    """The form whose page is held for the next one, under a random name that serves once, and this caller only."""
    if typed.page is None:
        return replace(typed, kept="")
    kept = secrets.token_urlsafe(24)
    held.put(_name(kept, caller), Query(typed.page))
    return replace(typed, kept=kept)


def kept_page(kept: str, held: HeldQueries, caller: Caller) -> bytes | None:
    """The page that :func:`keep_page` held; None where it is not held any more, was served once, or for another caller."""
    found = held.take(_name(kept, caller))
    return None if found is None or not isinstance(found.page, bytes) else found.page


def _name(kept: str, caller: Caller) -> str:
    return _FORM + hashlib.sha256(f"{caller.key_id} {kept}".encode()).hexdigest()
