"""The public cohorts that can be imported."""

from __future__ import annotations

from collections.abc import Mapping

from cardiograph.errors import ConfigError
from cardiograph.public_cohorts import code_15, ecg_pages, ludb, music, physionet_challenge, ptb_xl, uci_hf
from cardiograph.public_cohorts.adapter import Adapter

ADAPTERS: Mapping[str, Adapter] = {
    module.ADAPTER.name: module.ADAPTER
    for module in (music, ptb_xl, ecg_pages, uci_hf, ludb, code_15, physionet_challenge)
}
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
