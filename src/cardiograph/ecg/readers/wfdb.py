"""Reader of WFDB records, the format of PhysioNet: a header and one or more files of samples.

The samples are decoded by the package wfdb. The header is checked here, because that package replaces a missing gain
by 200 per millivolt, passes over text that it does not understand, and compares no checksum.

Source: WFDB Applications Guide, header(5) and signal(5), https://physionet.org/physiotools/wag/.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import lead_name
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.record_zip import SIGNATURE, unpacked_record
from cardiograph.ecg.readers.source import EcgSource
from cardiograph.regular_files import open_regular

MAX_HEADER_BYTES = 2**20
MAX_SEGMENTS = 1000
MAX_FILES = 2 * MAX_SEGMENTS

_RECORD = re.compile(
    r"(?P<name>[-\w]+)(?:/(?P<segments>\d+))?\s+(?P<signals>\d+)"
    r"(?:\s+(?P<rate>\d+\.?\d*)(?:/\S*)?(?:\s+(?P<samples>\d+)(?:\s+(?P<start>\S.*))?)?)?"
)
_SIGNAL = re.compile(
    r"(?P<file>~|[-\w]+(?:\.\w+)?)\s+(?P<format>\d+)(?:x(?P<per_frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    r"(?:\s+(?P<gain>-?\d*\.?\d+(?:\.?e[-+]?\d+)?)\.?(?:\((?P<baseline>-?\d+)\))?(?:/(?P<unit>\S+))?"
    r"(?:\s+\d+(?:\s+(?P<zero>-?\d+)(?:\s+(?P<first>-?\d+)(?:\s+(?P<checksum>-?\d+)(?:\s+\d+(?:\s+(?P<lead>\S.*?))?)?)?)?)?)?)?",
    re.IGNORECASE,
)
Fields = dict[str, str | None]
"""Name of a field of a signal line -> its text."""

_FORMATS = ("8", "16", "24", "32", "61", "80", "160", "212", "310", "311", "508", "516", "524")
"""Formats of samples that the package reads."""

_BYTES = {
    "8": 1.0,
    "16": 2.0,
    "24": 3.0,
    "32": 4.0,
    "61": 2.0,
    "80": 1.0,
    "160": 2.0,
    "212": 1.5,
    "310": 4 / 3,
    "311": 4 / 3,
}
"""Bytes of a sample; of the other formats, which are compressed, they are not known before they are read."""

_START_FORMATS = ("%H:%M:%S %d/%m/%Y", "%H:%M:%S.%f %d/%m/%Y", "%d-%b-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S")


@dataclass(frozen=True)
class Header:
    """The lines of one header: the record line, and a signal or segment in each further line."""

    path: Path
    fields: dict[str, str | None]
    lines: list[str]

    def number(self, field: str) -> int:
        """Return a whole number of the record line; 0 if it is not given."""
        return int(self.fields[field] or 0)


@dataclass(frozen=True)
class Part:
    """The samples of one header.

    Args:
        leads: Name of a channel -> its samples in mV, [frames * per_frame].
        others: Names of the channels that are not among the twelve leads.
        frames: Number of frames.
        per_frame: Number of samples of each lead in a frame.
    """

    leads: dict[str, NDArray[np.float32]]
    others: tuple[str, ...]
    frames: int
    per_frame: int = 1


def read_wfdb(source: EcgSource) -> Ecg:
    """Read a WFDB record from the path of its header or of its samples, or from a .zip that holds both."""
    if source.content.startswith(SIGNATURE):
        with unpacked_record(source, record_files) as header:
            return _read_record(source, header)
    if source.path is None:
        source.refuse(
            "needs_path",
            "a WFDB record consists of a header and files of samples",
            "pass the path of the header, with the files of samples in the same folder, or a .zip of them",
        )
    return _read_record(source, source.path.with_suffix(".hea"))


def _read_record(source: EcgSource, path: Path) -> Ecg:
    """Read the record of a header."""
    header = _read_header(source, path)
    frame_rate = source.rate(float(header.fields["rate"]) if header.fields["rate"] else None)
    parts = _segments(source, header) if header.fields["segments"] else [_read_part(source, header)]
    factors = {part.per_frame for part in parts if part.leads} or {1}
    if len(factors) > 1:
        _refuse_rates(source)
    factor = factors.pop()
    names = [*dict.fromkeys(name for part in parts for name in part.leads)]
    others = [*dict.fromkeys(name for part in parts for name in part.others)]
    samples = factor * sum(part.frames for part in parts)
    source.check_size(len(names) + len(others), samples)
    rows = np.full((len(names) + len(others), samples), np.nan, dtype=np.float32)
    begin = 0
    for part in parts:
        end = begin + factor * part.frames
        for name, values in part.leads.items():
            rows[names.index(name), begin:end] = values
        begin = end
    start, notes = _start(header.fields["start"])
    return build_ecg(source, [*names, *others], rows, frame_rate * factor, file_format="wfdb", start=start, notes=notes)


def record_files(path: Path, *, is_there: Callable[[Path], bool] = Path.is_file) -> list[Path]:
    """Return the files of a record that exist: the given one, its header, and what the header names, in any order.

    Args:
        path: Path of the header or of the samples.
        is_there: Whether a file exists; may bring it from elsewhere.
    """
    found, waiting = {path}, [path.with_suffix(".hea")]
    while waiting and len(found) <= MAX_FILES:
        header = waiting.pop()
        if not is_there(header):
            continue
        found.add(header)
        with open_regular(header) as handle:
            text = handle.read(MAX_HEADER_BYTES).decode("utf-8", errors="replace")
        for name in {words[0] for words in map(str.split, text.splitlines()[1:]) if words}:
            if not re.fullmatch(r"[-\w]+(\.\w+)?", name):
                continue
            named, segment = header.with_name(name), header.with_name(f"{name}.hea")
            found |= {named} if named not in found and is_there(named) else set()
            waiting += [segment] if "." not in name and segment not in found else []
    return list(found)


def _refuse_rates(source: EcgSource) -> NoReturn:
    source.refuse("rate", "its leads have different sampling rates", "resample them to one rate before")


def _read_header(source: EcgSource, path: Path) -> Header:
    try:
        with open_regular(path) as handle:
            content = handle.read(MAX_HEADER_BYTES + 1)
    except OSError as error:
        source.refuse(
            "missing",
            f"its header {path.name} cannot be opened: {error.strerror}",
            "keep header and samples in one folder, and send them together",
        )
    if len(content) > MAX_HEADER_BYTES:
        source.refuse("too_large", f"its header has more than {MAX_HEADER_BYTES:,} bytes", "check the header")
    text = content.decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = _RECORD.fullmatch(lines[0]) if lines else None
    if found is None:
        source.refuse(
            "damaged",
            f"the first line of {path.name} is not: record, number of signals, sampling rate, number of samples",
            "correct the header",
            value=lines[0] if lines else "",
        )
    return Header(path, found.groupdict(), lines[1:])


def _start(text: str | None) -> tuple[datetime | None, tuple[str, ...]]:
    if not text:
        return None, ()
    for pattern in _START_FORMATS:
        try:
            return datetime.strptime(text, pattern), ()
        except ValueError:
            continue
    return None, (f"The start {text!r} in the header is not a time and a date, and was left out.",)


def _segments(source: EcgSource, header: Header) -> list[Part]:
    """Read the segments of a record that consists of several."""
    number = header.number("segments")
    lines = [line.split() for line in header.lines]
    valid = all(len(line) == 2 and re.fullmatch(r"~|[-\w]+", line[0]) and line[1].isdecimal() for line in lines)
    if not valid or len(lines) != number or not 0 < number <= MAX_SEGMENTS:
        source.refuse("damaged", f"its segments are not {number} lines of name and length", "correct the header")
    source.check_size(max(header.number("signals"), 1), sum(int(length) for _, length in lines))
    parts = []
    for name, length in lines:
        if name == "~" or not int(length):  # nothing recorded, or the layout of a record whose channels change
            parts.append(Part({}, (), int(length)))
            continue
        segment = _read_header(source, header.path.with_name(f"{name}.hea"))
        if segment.fields["segments"]:
            source.refuse("damaged", f"the segment {name} consists of segments again", "correct the header")
        part = _read_part(source, segment)
        if part.frames != int(length):
            source.refuse(
                "truncated", f"segment {name} has {part.frames} samples instead of {length}", "copy the record again"
            )
        parts.append(part)
    return parts


def _read_part(source: EcgSource, header: Header) -> Part:
    """Read the samples of one header; files without a lead are not opened."""
    signals = _signal_fields(source, header)
    stated = [each["lead"] or "" for each in signals] if any(each["lead"] for each in signals) else None
    names = source.lead_names(stated, len(signals))
    files = {each["file"] for name, each in zip(names, signals, strict=True) if lead_name(name)}
    wanted = [index for index, each in enumerate(signals) if each["file"] in files]
    if not wanted:
        return Part({}, names, header.number("samples"))
    _check_files(source, header, [signals[index] for index in wanted])
    values, frames = _decode(source, header, signals, wanted)
    leads: dict[str, NDArray[np.float32]] = {}
    factors = set()
    for index, digital in zip(wanted, values, strict=True):
        name, fields, factor = names[index], signals[index], int(signals[index]["per_frame"] or 1)
        if len(digital) != frames * factor:
            source.refuse("truncated", "it has fewer samples than its header announces", "copy the record again")
        _check_sum(source, name, fields["checksum"], digital)
        if not lead_name(name):
            continue
        if name in leads:
            source.refuse("duplicate_lead", f"two channels are called {name!r}", "rename one in the header")
        leads[name] = _to_millivolts(source, digital, fields)
        factors.add(factor)
    if len(factors) > 1:
        _refuse_rates(source)
    return Part(leads, tuple(name for name in names if name not in leads), frames, factors.pop())


def _signal_fields(source: EcgSource, header: Header) -> list[Fields]:
    number = header.number("signals")
    if len(header.lines) != number or not number:
        source.refuse(
            "damaged", f"{header.path.name} has {len(header.lines)} lines for {number} signals", "correct the header"
        )
    signals = []
    for line in header.lines:
        found = _SIGNAL.fullmatch(line)
        if found is None:
            source.refuse("damaged", "a line of the header is not a signal", "correct the header", value=line)
        signals.append(found.groupdict())
    return signals


def _check_files(source: EcgSource, header: Header, signals: list[Fields]) -> None:
    """Check what makes the package allocate memory or open files, and that a file has one format."""
    for fields in signals:
        same = {(each["format"], each["offset"]) for each in signals if each["file"] == fields["file"]}
        if len(same) > 1 or fields["format"] not in _FORMATS:
            source.refuse(
                "unsupported",
                f"a file of samples has one of the formats {', '.join(_FORMATS)}, and one offset",
                "correct the header",
                value=f"format {fields['format']}",
            )
    channels, samples = sum(int(each["per_frame"] or 1) for each in signals), header.number("samples")
    names = {str(fields["file"]) for fields in signals}
    sizes = {name: _size(source, header.path.with_name(name)) for name in sorted(names)}
    for fields in signals:
        size = sizes[str(fields["file"])]
        frames = samples or size // (2 * channels)
        source.check_size(channels, frames)
        if int(fields["offset"] or 0) > size or int(fields["skew"] or 0) > frames:
            source.refuse("truncated", "an offset in the header lies behind the samples", "copy the record again")
    for name, size in sizes.items():
        own = [each for each in signals if each["file"] == name]
        if not size:
            source.refuse("empty", f"its file of samples {name} has 0 bytes", "copy the record again")
        values = samples * sum(int(each["per_frame"] or 1) for each in own)
        needed = int(own[0]["offset"] or 0) + int(values * _BYTES.get(str(own[0]["format"]), 0))
        if size < needed:
            rule = f"its file of samples {name} has {size:,} of {needed:,} bytes"
            source.refuse("truncated", rule, "copy the record again")


def _size(source: EcgSource, path: Path) -> int:
    """Return the size of a file of samples in bytes."""
    try:
        with open_regular(path) as handle:
            return handle.seek(0, 2)
    except OSError as error:
        source.refuse(
            "missing",
            f"its file of samples {path.name} cannot be opened: {error.strerror}",
            "keep header and samples in one folder, and send them together",
        )


def _decode(
    source: EcgSource, header: Header, signals: list[Fields], channels: list[int]
) -> tuple[list[NDArray[np.int32]], int]:
    """Return the samples of each channel as whole numbers, and the number of frames.

    If the header states the number of samples, its fields are passed on: the package takes ten times as long to read
    them as to decode ten seconds.
    """
    import wfdb
    from wfdb.io._signal import _rd_segment

    frames = header.number("samples")
    with source.reading("wfdb"):
        if not frames:
            path = str(header.path.resolve().with_suffix(""))
            record = wfdb.rdrecord(path, channels=channels, physical=False, smooth_frames=False, return_res=32)
            return record.e_d_signal, int(record.sig_len)
        numbers = {
            name: [int(each[field] or usual) for each in signals]
            for name, field, usual in (
                ("byte_offset", "offset", 0),
                ("samps_per_frame", "per_frame", 1),
                ("skew", "skew", 0),
                ("init_value", "first", 0),
            )
        }
        values = _rd_segment(
            file_name=[each["file"] for each in signals],
            dir_name=str(header.path.resolve().parent),
            pn_dir=None,
            fmt=[each["format"] for each in signals],
            n_sig=len(signals),
            sig_len=frames,
            sampfrom=0,
            sampto=frames,
            channels=channels,
            ignore_skew=False,
            return_res=32,
            **numbers,
        )
        return values, frames


def _check_sum(source: EcgSource, name: str, stated: str | None, digital: NDArray[np.int32]) -> None:
    """Compare the sum of the samples with the header; programs that compute no checksum write 0."""
    if stated and int(stated) and (int(stated) - int(digital.sum(dtype=np.int64))) % 2**16:
        source.refuse(
            "checksum",
            f"the samples of {name} do not match the checksum in the header",
            "copy the record again, or write 0 in place of the checksum if you know that the samples are right",
        )


def _to_millivolts(source: EcgSource, digital: NDArray[np.int32], fields: Fields) -> NDArray[np.float32]:
    from wfdb.io._signal import _digi_nan

    gain = float(fields["gain"] or 0)
    # mV by the specification where no unit is written
    scale = source.millivolts(fields["unit"] or "mV") / gain if gain else source.millivolts(None)
    baseline = float(fields["baseline"] or fields["zero"] or 0)  # the zero of the converter, by the specification
    values = (digital - baseline) * scale
    values[digital == _digi_nan(fields["format"])] = np.nan
    return values.astype(np.float32)
