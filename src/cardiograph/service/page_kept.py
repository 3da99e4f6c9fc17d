"""The page of a form that comes back: a browser cannot fill in a file again, so it is held here for the next form."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import replace

from cardiograph.inference import Query
from cardiograph.service.access import Caller
from cardiograph.service.held import HeldQueries
from cardiograph.service.page_form import Typed

_FORM = "form-"
"""Before the names of pages that are held for a form; no prediction is called so."""

_PREDICTION = re.compile(r"[0-9a-f]{32}")


def keep_page(typed: Typed, held: HeldQueries, caller: Caller) -> Typed:
    """The form whose page is held for the next one, under a random name that serves once, and this caller only."""
    if typed.page is None:
        return replace(typed, kept="")
    kept = secrets.token_urlsafe(24)
    held.put(_name(kept, caller), Query(typed.page))
    return replace(typed, kept=kept)


def with_kept_page(typed: Typed, held: HeldQueries, caller: Caller) -> Typed:
    """The form with the page of the form or answer before it, where no other was chosen.

    ``kept`` of what is returned says that a page should be there; ``page`` is None where it is not held any more.
    """
    if typed.page is not None or typed.drop or not typed.kept:
        return replace(typed, kept="")
    found = held.take(_name(typed.kept, caller))
    if found is None and _PREDICTION.fullmatch(typed.kept) and "read" in caller.scopes:
        found = held.get(typed.kept)
    return replace(typed, page=found.page if found is not None and isinstance(found.page, bytes) else None)


def _name(kept: str, caller: Caller) -> str:
    return _FORM + hashlib.sha256(f"{caller.key_id} {kept}".encode()).hexdigest()
