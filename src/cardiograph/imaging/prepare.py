"""Prepare a page: from a file to the input of the encoder and the hashes that identify the page.

Training and serving use the same function, :func:`prepare_decoded`. The *view* is the part of the page that the encoder
sees: the area of the ECG grid, unless the configuration requests the whole page or a fixed box.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.config_reading import PagesConfig
from cardiograph.errors import Issue, PageError
from cardiograph.imaging.ecg_check import GATE_VERSION, find_traces, not_an_ecg, trace_evidence
from cardiograph.imaging.grid import PAGE_VERSION, Box, select_view
from cardiograph.imaging.hashing import HASH_VERSION, perceptual_hash, pixel_hash
from cardiograph.imaging.orientation import ORIENTATION_VERSION, Lie, lie_of
from cardiograph.imaging.quality import MAX_PICTURES
from cardiograph.imaging.reading import DecodedPage, read_page

PREPROCESS_VERSION = "1"
"""Version of the scaling, part of the encoder fingerprint; it changes whenever the same pixels give another input."""

INPUT_SIZE = 224
"""Side of the encoder's input in pixels."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of each channel, RGB, 0..1. Source: the ImageNet training set, as published with ResNet weights."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of each channel, RGB, 0..1. Source: as :data:`IMAGENET_MEAN`."""


def to_input(view_pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale a view to the encoder's input.

    Width and height are scaled independently, as in the reference pipeline, so that no part of the traces is cut off.
    Each output pixel is the mean of the area that it covers, so that thin traces fade but do not break; if the view is
    smaller than the input, pixels are interpolated linearly.

    Args:
        view_pixels: [h, w, 3] uint8 RGB.

    Returns:
        [3, 224, 224] float32, standardised with the ImageNet mean and standard deviation.
    """
    import cv2

    height, width = view_pixels.shape[:2]
    method = cv2.INTER_AREA if min(height, width) >= INPUT_SIZE else cv2.INTER_LINEAR
    values = cv2.LUT(view_pixels, np.arange(256, dtype=np.float32) / np.float32(255))
    scaled = np.asarray(cv2.resize(values, (INPUT_SIZE, INPUT_SIZE), interpolation=method), np.float32)
    standardised = (scaled - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
    return np.ascontiguousarray(standardised.transpose(2, 0, 1), dtype=np.float32)


UNREADABLE_LEADS = "unreadable_leads"
"""Issue code of a page that the digitiser cannot read, if the model reads leads alone."""

USED_ALTHOUGH = "the page was used although "
"""Start of the warning about a page that the gate would refuse."""

GATE_CODES = {
    "do not look like an ECG": ("not_an_ecg",),
    "seem to be upside down or mirrored": ("upside_down", "mirrored"),
    "cannot be read as leads": (UNREADABLE_LEADS,),
}
"""What the gate refuses, in the plural -> issue codes."""

_LIES: dict[Lie, tuple[str, str, str]] = {
    "upside_down": ("upside_down", "upside down", "turn the picture by 180 degrees and give it again"),
    "left_right": ("mirrored", "mirrored left to right", "mirror the picture left to right and give it again"),
    "top_bottom": ("mirrored", "mirrored top to bottom", "mirror the picture top to bottom and give it again"),
}
"""Issue code, description and remedy."""


@dataclass(frozen=True)
class Doubt:
    """Why the gate refuses a page.

    Args:
        code: Issue code, one of those in :data:`GATE_CODES`.
        reason: The reason in words.
        remedy: What the user can do.
    """

    code: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class PreparedPage:
    """A page, ready for the encoder.

    Args:
        file_sha256: SHA-256 (hex) of the file.
        pixel_hash: SHA-256 (hex) of all decoded pixels of the page.
        perceptual_hash: [1536] uint8 hash of the traces in the view; [3072] with the hash of the leads before it.
        page: The whole decoded page.
        box: Rectangle of the view on the page, in pixels.
        view: [h, w, 3] uint8 RGB pixels of the view.
        doubt: Reason why the view does not look like an upright ECG; None if it does.
    """

    file_sha256: str
    pixel_hash: str
    perceptual_hash: NDArray[np.uint8]
    page: DecodedPage
    box: Box
    view: NDArray[np.uint8]
    doubt: Doubt | None

    @property
    def input(self) -> NDArray[np.float32]:
        """[3, 224, 224] float32 input of the encoder."""
        return to_input(self.view)


def preparation(config: PagesConfig) -> str:
    """Return the versions and settings that determine the view and the input; part of the encoder fingerprint."""
    box = f" {config.box}" if config.box else ""
    return f"decode=full page={PAGE_VERSION} view={config.view}{box} hash={HASH_VERSION} input={PREPROCESS_VERSION}"


def judgement(config: PagesConfig) -> str:
    """Return the versions and settings that determine the facts about a page, and what is stated about its file."""
    stated = {name: value for name in ("rate", "unit", "gain", "leads") if (value := getattr(config, name))}
    return (
        f"{preparation(config)} gate={GATE_VERSION} orientation={ORIENTATION_VERSION}{f' {stated}' if stated else ''}"
    )


def refusal(doubt: Doubt | None, *, name: str, gate: bool) -> Issue | None:
    """Decide whether a readable page is refused; every caller uses this function.

    Args:
        doubt: Reason why the page does not look like an ECG, or None; see :class:`PreparedPage`.
        name: Name of the page in the issue.
        gate: Whether to refuse a page that does not look like an ECG: ``pages.gate``, or the value in a request.

    Returns:
        The issue that explains the refusal, or None if the page is used.
    """
    if doubt is None or not gate:
        return None
    remedy = f"{doubt.remedy}; to use it all the same, turn the gate off (`--no-gate`, `gate` in a request)"
    return Issue(f"page {name}", "", "", doubt.reason, remedy, doubt.code)


def is_refusal(issue: Issue) -> bool:
    """Return whether an issue comes from :func:`refusal`, not from a page that cannot be read."""
    return any(issue.code in codes for codes in GATE_CODES.values())


def page_remarks(doubt: Doubt | None, pictures: int, notes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return warnings, one sentence each, about a page that was used; they are part of a prediction."""
    found = list(notes)
    if doubt is not None:
        seems = "it may be no ECG: " if doubt.code == "not_an_ecg" else ""
        found.append(f"{USED_ALTHOUGH}{seems}{doubt.reason}")
    if pictures > 1:
        count = f"{pictures} or more" if pictures == MAX_PICTURES else str(pictures)
        found.append(
            f"the file of the page holds {count} pictures (pages or frames); the first was read, the others were not"
        )
    return tuple(found)


def prepare_page(source: Path | bytes, *, name: str, config: PagesConfig) -> PreparedPage:
    """Read a page, select its view, and check whether it looks like an upright ECG.

    A page that does not look like one is returned with a ``doubt``; :func:`refusal` decides whether it is used.

    Args:
        source: Path of the file, or its content.
        name: Name of the page in error messages.
        config: Page settings: view and limits.

    Raises:
        PageError: If the page cannot be used; with one issue whose ``where`` names the page.
    """
    return prepare_decoded(read_page(source, name=name, max_pixels=config.max_pixels), name=name, config=config)


def prepare_decoded(page: DecodedPage, *, name: str, config: PagesConfig) -> PreparedPage:
    """Prepare a page that has been decoded or drawn; otherwise as :func:`prepare_page`."""
    try:
        box, view = select_view(page.pixels, config)
    except PageError as error:
        issues = [Issue(f"page {name}", i.column, i.value, i.rule, i.remedy, i.code) for i in error.issues]
        raise PageError(error.headline, issues) from error
    return PreparedPage(
        file_sha256=page.file_sha256,
        pixel_hash=pixel_hash(page.pixels),
        perceptual_hash=perceptual_hash(view),
        page=page,
        box=box,
        view=view,
        doubt=_doubt(view, drawn=page.drawn),
    )


def _doubt(view: NDArray[np.uint8], *, drawn: bool) -> Doubt | None:
    traces = find_traces(view)
    reason = not_an_ecg(trace_evidence(traces))
    if reason is not None:
        return Doubt("not_an_ecg", reason, "check that it is a printed ECG")
    lie = None if drawn else lie_of(traces)  # a drawn page is upright, whatever the shape of the beats
    if lie is None:
        return None
    code, how, remedy = _LIES[lie]
    return Doubt(code, f"it seems to be {how}, by the shape of its beats", remedy)
