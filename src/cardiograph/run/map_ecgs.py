"""Drawings of stored ECGs for the map in the report, which has no service to ask for them."""

from __future__ import annotations

from typing import Any, Final

from cardiograph.artifacts.checked import CheckedFiles
from cardiograph.artifacts.reference import Reference
from cardiograph.artifacts.reference_ecgs import ECGS, RATE_HZ
from cardiograph.artifacts.run import RunDirectory
from cardiograph.containers import TRAIN
from cardiograph.ecg.draw.svg import draw_side_by_side
from cardiograph.patient_map.content import PARTS

MAX_BYTES: Final = 2_000_000
"""Size of all drawings together above which the report has none."""

_DRAWING_BYTES: Final = 10_000
"""A drawing of twelve leads is seldom smaller."""


def with_ecgs(content: dict[str, Any], directory: RunDirectory) -> dict[str, Any]:
    """Add the drawings of the stored ECGs to the map of a run.

    Args:
        content: Content of the map, see :meth:`cardiograph.patient_map.content.PatientMap.plain`.
        directory: Run directory.

    Returns:
        The content; if the bundle stores ECGs, with ``ecgs``: record id -> drawing, or None if they are too large for a
        report.
    """
    if not (directory.path / "bundle" / ECGS).is_file():
        return content
    shown = zip(content["records"], content["part"], strict=True)
    names = [name for name, part in shown if part == PARTS.index(TRAIN)]
    if len(names) * _DRAWING_BYTES > MAX_BYTES:
        return {**content, "ecgs": None}
    checked = CheckedFiles(directory.path / "bundle")
    reference = Reference.read(checked, checked.facts)
    drawings = {name: _drawing(name, reference) for name in names}
    return {**content, "ecgs": drawings if sum(map(len, drawings.values())) <= MAX_BYTES else None}


def _drawing(name: str, reference: Reference) -> str:
    """Return the drawing of the ECG of a record, empty if none is stored."""
    ecg = reference.ecg(name)
    title = f"ECG of record {name}: 2.5 seconds of each of the twelve leads, at 25 mm/s and 10 mm/mV."
    return "" if ecg is None else draw_side_by_side([ecg], [title], rate=RATE_HZ)[0]
