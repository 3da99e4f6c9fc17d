"""The public cohorts that can be imported."""

from __future__ import annotations

from collections.abc import Mapping

from cardiograph.errors import ConfigError
from cardiograph.public_cohorts import music, uci_hf
from cardiograph.public_cohorts.adapter import Adapter

ADAPTERS: Mapping[str, Adapter] = {module.ADAPTER.name: module.ADAPTER for module in (music, uci_hf)}
"""Name -> adapter."""


def adapter(name: str) -> Adapter:
    """Return the adapter of a name.

    Raises:
        ConfigError: If there is none.
    """
    if name not in ADAPTERS:
        message = f"import {name!r}: no such public cohort; choose {', '.join(ADAPTERS)}"
        raise ConfigError(message)
    return ADAPTERS[name]
