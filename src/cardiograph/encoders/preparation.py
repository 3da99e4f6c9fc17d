"""Versions of everything that happens to an ECG before its encoder sees it."""

from __future__ import annotations

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.pages import LEADS_VERSION
from cardiograph.imaging.prepare import preparation
from cardiograph.registry import Reads


def encoder_preparation(reads: Reads, pages: PagesConfig) -> str:
    """Return the versions and settings that determine the input of an encoder; part of its fingerprint.

    Args:
        reads: What the encoder reads of an ECG.
        pages: Page settings.
    """
    if reads == "page":
        return preparation(pages)
    from cardiograph.encoders.leads_input import PREPARATION

    return f"{preparation(pages)} leads={LEADS_VERSION} {PREPARATION}"
