"""The fixed list of faults for which an ECG signal file is refused."""

from __future__ import annotations

READER_CODES: dict[str, str] = {
    "missing": "the file, or another file of its record, does not exist or cannot be opened",
    "empty": "a file of 0 bytes",
    "too_large": "more bytes, channels, samples or XML elements than are read",
    "unknown_format": "neither the content nor the suffix belongs to a known format",
    "option": "an option is out of range",
    "contradiction": "an option says something else than the file",
    "package_missing": "an optional package is not installed",
    "needs_path": "one file of a WFDB record without its header, or several records in one upload",
    "damaged": "the structure of the file is broken",
    "truncated": "fewer samples than the file announces",
    "checksum": "the samples do not match the checksum in the file",
    "entities": "an XML document type or entity, which no ECG file needs and which can exhaust memory",
    "unsupported": "a feature of the format that is not read, such as a compression or an encoding",
    "rate_missing": "the file does not state the sampling rate",
    "unit_missing": "the file does not state the unit or the gain",
    "leads_missing": "the file does not name the channels",
    "rate": "a sampling rate outside the limits, or leads with different rates",
    "irregular_time": "a time column without equal steps",
    "not_numeric": "text among the samples",
    "no_waveform": "no samples at all, or flat lines in all leads",
    "no_leads": "no channel is one of the twelve leads",
    "duplicate_lead": "two channels have the same lead name",
    "too_short": "a recording shorter than a second",
    "amplitude": "a voltage that no surface ECG reaches",
    "no_page": "a page number that the PDF does not have",
    "no_traces": "a PDF page without traces as paths and without lead names, such as a scan",
    "scale_missing": "a PDF page that does not print its paper speed and gain",
}
"""Code -> fault, in the order of the documentation."""
