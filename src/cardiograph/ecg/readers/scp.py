"""Reader of SCP-ECG files.

Source: EN 1064:2005 (ISO 11073-91064), sections 0 to 6; Huffman tables in :mod:`cardiograph.ecg.readers.scp_huffman`.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import DeviceFilters, Ecg
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.scp_codes import SCP_LEADS
from cardiograph.ecg.readers.scp_huffman import HuffmanTable, decode_huffman, huffman_tables
from cardiograph.ecg.readers.source import EcgSource

_SECTION_HEADER = 16
_NANOVOLTS_PER_MILLIVOLT = 1e6
_NOTCH = {1: 60.0, 2: 50.0}
MAX_SECTIONS = 256


@dataclass(frozen=True)
class LeadSpan:
    """One lead of section 3: its name, and the first and last sample, counted from 1."""

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class Waveform:
    """Section 5 or 6: microseconds between samples, nanovolts of a step, and the steps of each lead."""

    interval: int
    nanovolts: int
    leads: list[NDArray[np.int64]]


def read_scp(source: EcgSource) -> Ecg:
    """Read the rhythm of an SCP-ECG file; the reference beat is used where the rhythm was stored without it."""
    sections = _sections(source)
    try:
        return _read(source, sections)
    except (struct.error, IndexError):
        source.refuse("truncated", "a section is shorter than its content needs", "copy the file again")


def _read(source: EcgSource, sections: dict[int, bytes]) -> Ecg:
    if not sections.get(3) or not sections.get(6):
        source.refuse("no_waveform", "it has no rhythm (sections 3 and 6)", "export the file with its waveforms")
    spans, subtracted = _lead_spans(source, sections[3])
    tables = huffman_tables(source, sections[2]) if sections.get(2) else None
    rhythm = _waveform(source, sections[6], [span.last - span.first + 1 for span in spans], tables)
    if sections[6][5]:
        source.refuse("unsupported", "bimodal compression is not read", "export the file without compression")
    rate = source.rate(round(1e6 / rhythm.interval, 6))
    first, last = min(span.first for span in spans), max(span.last for span in spans)
    source.check_size(len(spans), last - first + 1)
    rows = np.full((len(spans), last - first + 1), np.nan, dtype=np.float32)
    values = [lead.astype(np.float64) * rhythm.nanovolts for lead in rhythm.leads]
    notes: tuple[str, ...] = ()
    if subtracted:
        _add_reference_beats(source, sections, (spans, tables), rhythm, values)
    elif sections.get(5):
        notes = ("The reference beat was left out.",)
    for row, span, lead in zip(rows, spans, values, strict=True):
        row[span.first - first : span.last - first + 1] = lead / _NANOVOLTS_PER_MILLIVOLT
    start, filters = _acquisition(sections.get(1, b""))
    names = [span.name for span in spans]
    return build_ecg(source, names, rows, rate, file_format="scp", notes=notes, start=start, filters=filters)


def _sections(source: EcgSource) -> dict[int, bytes]:
    """Return number -> content of each section, after the check of length and checksum."""
    content = source.content
    size = int.from_bytes(content[2:6], "little")
    if len(content) < max(size, 6 + _SECTION_HEADER):
        source.refuse("truncated", f"it has {len(content):,} of {size:,} bytes", "copy the file again")
    if binascii.crc_hqx(content[2:size], 0xFFFF) != int.from_bytes(content[:2], "little"):
        source.refuse("checksum", "its content does not match its checksum", "copy the file again")
    length = int.from_bytes(content[10:14], "little")
    if not 6 + length <= size:
        source.refuse("damaged", "its table of sections is longer than the file", "copy the file again")
    pointers = content[6 + _SECTION_HEADER : 6 + length]
    sections = {}
    for number, section, start in struct.iter_unpack(
        "<HII", pointers[: min(len(pointers), 10 * MAX_SECTIONS) // 10 * 10]
    ):
        if not section or not start:
            continue
        if section < _SECTION_HEADER or start - 1 + section > size or number in sections:
            source.refuse("damaged", f"section {number} does not lie in the file", "copy the file again")
        sections[number] = content[start - 1 + _SECTION_HEADER : start - 1 + section]
    return sections


def _lead_spans(source: EcgSource, section: bytes) -> tuple[list[LeadSpan], bool]:
    """Return the leads, and whether the reference beat was subtracted from the rhythm."""
    number, flags = section[0], section[1]
    spans = []
    for index in range(number):
        first, last, code = struct.unpack_from("<IIB", section, 2 + 9 * index)
        spans.append(LeadSpan(SCP_LEADS.get(code, f"SCP lead {code}"), first, last))
        source.check_size(number, last - first + 1)
    if not spans:
        source.refuse("no_waveform", "it announces no leads", "export the file with its waveforms")
    return spans, bool(flags & 1)


def _waveform(source: EcgSource, section: bytes, counts: list[int], tables: list[HuffmanTable] | None) -> Waveform:
    """Decode the samples of section 5 or 6, of which each lead has a known number."""
    nanovolts, interval, differences = struct.unpack_from("<HHB", section)
    if not nanovolts or not interval or differences > 2:
        source.refuse("damaged", "its unit, rate or coding is 0 or unknown", "copy the file again")
    lengths = struct.unpack_from(f"<{len(counts)}H", section, 6)
    position = 6 + 2 * len(counts)
    leads = []
    for count, length in zip(counts, lengths, strict=True):
        data = section[position : position + length]
        position += length
        if len(data) < length or (tables is None and length < 2 * count):
            source.refuse("truncated", "the samples of a lead end early", "copy the file again")
        if tables is None:
            steps = np.frombuffer(data[: 2 * count], dtype="<i2").astype(np.int64)
        else:
            steps = decode_huffman(source, data, count, tables)
        leads.append(_undo_differences(steps, differences))
    return Waveform(interval, nanovolts, leads)


def _undo_differences(steps: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Sum first or second differences up; the first one or two values are samples."""
    if order == 2 and len(steps) > 2:
        steps = np.concatenate([steps[:1], np.cumsum(np.concatenate([steps[1:2] - steps[0], steps[2:]]))])
    return np.cumsum(steps) if order else steps


def _add_reference_beats(
    source: EcgSource,
    sections: dict[int, bytes],
    layout: tuple[list[LeadSpan], list[HuffmanTable] | None],
    rhythm: Waveform,
    values: list[NDArray[np.float64]],
) -> None:
    """Add the reference beat to the rhythm, in nV, at each beat of type 0."""
    spans, tables = layout
    if not sections.get(4) or not sections.get(5):
        source.refuse("damaged", "its reference beat is missing", "export the file again")
    milliseconds, fiducial, beats = struct.unpack_from("<HHH", sections[4])
    interval = int.from_bytes(sections[5][2:4], "little")
    if interval != rhythm.interval:
        source.refuse("unsupported", "reference beat and rhythm have different rates", "export it without compression")
    count = round(1000 * milliseconds / interval)
    source.check_size(len(spans), count)
    reference = _waveform(source, sections[5], [count] * len(spans), tables)
    for index in range(beats):
        kind, start, middle, end = struct.unpack_from("<HIII", sections[4], 6 + 14 * index)
        if kind:
            continue
        for span, row, beat in zip(spans, values, reference.leads, strict=True):
            offset = middle - fiducial  # sample of the rhythm that lies before the first of the beat, counted from 1
            begin = max(start, span.first, offset + 1)
            stop = min(end, span.last, offset + count)
            if begin <= stop:
                part = beat[begin - offset - 1 : stop - offset]
                row[begin - span.first : stop - span.first + 1] += part * float(reference.nanovolts)


def _acquisition(section: bytes) -> tuple[datetime | None, DeviceFilters]:
    """Return the start and the filters that section 1 states."""
    tags: dict[int, bytes] = {}
    position = 0
    while position + 3 <= len(section) and section[position] != 255:
        length = int.from_bytes(section[position + 1 : position + 3], "little")
        tags.setdefault(section[position], section[position + 3 : position + 3 + length])
        position += 3 + length
    high = int.from_bytes(tags.get(27, b""), "little") / 100 or None
    low = float(int.from_bytes(tags.get(28, b""), "little")) or None
    bits = tags.get(29, b"\0")[:1]
    notch = _NOTCH.get(bits[0] & 3) if bits else None
    try:
        date, time = tags[25], tags[26]
        start = datetime(int.from_bytes(date[:2], "little"), date[2], date[3], time[0], time[1], time[2])
    except (KeyError, IndexError, ValueError):
        start = None
    return start, DeviceFilters(high, low, notch)
