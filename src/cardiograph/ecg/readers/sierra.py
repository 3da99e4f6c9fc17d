"""Reader of Philips Sierra XML files, versions 1.03 and 1.04, plain or with XLI compression.

XLI writes each lead as second differences, whose high and low bytes are compressed by LZW with codes of ten bits; of
III, aVR, aVL and aVF it keeps what differs from their computation from I and II.

Source: the samples and the decoder of the project Sierra ECG Tools (C. Schreiber, MIT licence), from which the layout
was learnt; the code here is our own and is compared with that decoder in the tests.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import MAX_SAMPLES, DeviceFilters, Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.source import EcgSource
from cardiograph.ecg.readers.xml_files import decode_base64, number_of, optional_number, parse_xml, text_of

_VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
_LZW_BITS = 10


def read_sierra(source: EcgSource) -> Ecg:
    """Read the rhythm of a Sierra file; representative beats are left out with a note."""
    root = parse_xml(source)
    version = text_of(root, "documentinfo/documentversion") or ""
    if version not in _VERSIONS:
        source.refuse("unsupported", f"the versions {', '.join(_VERSIONS)} are read", "export it so", value=version)
    waveforms, traits = root.find("waveforms/parsedwaveforms"), root.find("dataacquisition/signalcharacteristics")
    if waveforms is None or traits is None:
        source.refuse("no_waveform", "it has no parsed waveforms", "export the file with its waveforms")
    rate = source.rate(number_of(source, text_of(traits, "samplingrate"), "sampling rate"))
    resolution = waveforms.get("resolution") or text_of(traits, "resolution") or text_of(traits, "signalresolution")
    if resolution is None:
        source.refuse("unit_missing", "it does not state the microvolts of a step", "export the file again")
    names = _lead_names(source, waveforms, traits)
    samples = round(number_of(source, waveforms.get("durationperchannel"), "duration") * rate / 1000)
    source.check_size(len(names), samples)
    digital = _decode(source, waveforms, names, samples)
    offset = number_of(source, waveforms.get("signaloffset") or text_of(traits, "signaloffset") or "0", "offset")
    rows = (digital - offset) * (number_of(source, resolution, "resolution") * source.millivolts("uV"))
    notes = ("The representative beats were left out.",) if root.find(".//repbeats") is not None else ()
    band = root.find("reportinfo/reportbandwidth")
    return build_ecg(
        source,
        names,
        rows.astype(np.float32),
        rate,
        file_format="sierra",
        notes=notes,
        filters=_filters(waveforms, band),
        start=_start(root.find("dataacquisition")),
    )


def _lead_names(source: EcgSource, waveforms: Element, traits: Element) -> tuple[str, ...]:
    """Return the names of the channels; version 1.03 names a set of leads instead."""
    labels = (waveforms.get("leadlabels") or "").split()
    number = int(
        number_of(
            source, waveforms.get("numberofleads") or text_of(traits, "numberchannelsallocated"), "number of leads"
        )
    )
    if not labels and text_of(traits, "acquisitiontype") in ("STD-12", "10-WIRE") and number == len(LEADS):
        labels = [*LEADS]
    return source.lead_names(labels or None, number)


def _decode(source: EcgSource, waveforms: Element, names: tuple[str, ...], samples: int) -> NDArray[np.int32]:
    """Return [leads, samples] steps."""
    content = decode_base64(source, waveforms.text)
    method = waveforms.get("compressmethod") or waveforms.get("compression") or "Uncompressed"
    if waveforms.get("dataencoding") != "Base64" or method not in ("XLI", "Uncompressed"):
        source.refuse("unsupported", "samples are read in base64, plain or by XLI", "export it so", value=method)
    if method == "Uncompressed":
        if len(content) != 2 * len(names) * samples:
            source.refuse("truncated", f"it has not {samples} samples in each lead", "export the file again")
        return np.frombuffer(content, dtype="<i2").reshape(len(names), samples).astype(np.int32)
    rows = np.zeros((len(names), samples), dtype=np.int32)
    position = 0
    for row in rows:
        size = int.from_bytes(content[position : position + 4], "little")
        first = int.from_bytes(content[position + 6 : position + 8], "little", signed=True)
        chunk = content[position + 8 : position + 8 + size]
        position += 8 + size
        if len(chunk) < size or not size:
            source.refuse("truncated", "its compressed samples end early", "copy the file again")
        unpacked = _lzw(source, chunk, 2 * samples + 2)
        if len(unpacked) < 2 * samples:
            source.refuse("truncated", f"a lead has fewer than {samples} samples", "copy the file again")
        values = _undo_differences(unpacked, first)[:samples]
        if max(map(abs, values)) >= 2**15:
            source.refuse("damaged", "a sample does not fit 16 bits", "copy the file again")
        row[:] = values
    _undo_limb_leads(source, rows, names)
    return rows


def _lzw(source: EcgSource, data: bytes, limit: int) -> bytes:
    """Unpack LZW with codes of ten bits, most significant bit first, and a table that is never cleared."""
    words: list[bytes] = [bytes([value]) for value in range(256)]
    full = (1 << _LZW_BITS) - 1  # the last code but one ends the table
    text = bytearray()
    previous = b""
    for code in _codes(data):
        if code >= full:
            break
        if code < len(words):
            word = words[code]
        elif code == len(words) and previous:
            word = previous + previous[:1]
        else:
            source.refuse("damaged", "its compressed samples hold a code that is not defined", "copy the file again")
        if previous and len(words) < full:
            words.append(previous + word[:1])
        text += word
        previous = word
        if len(text) > min(limit + len(word), 4 * MAX_SAMPLES):
            source.refuse("damaged", "its compressed samples are longer than announced", "copy the file again")
    return bytes(text)


def _codes(data: bytes) -> list[int]:
    """Return the whole codes of ten bits in the data."""
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
    whole = bits[: len(bits) // _LZW_BITS * _LZW_BITS].reshape(-1, _LZW_BITS)
    codes: list[int] = (whole @ (1 << np.arange(_LZW_BITS - 1, -1, -1))).tolist()
    return codes


def _undo_differences(unpacked: bytes, first: int) -> list[int]:
    """Return the samples of a lead: the high bytes come first, then the low bytes."""
    half = (len(unpacked) + 1) // 2
    padded = np.frombuffer(unpacked.ljust(2 * half, b"\0"), dtype=np.uint8)
    words = (padded[:half].astype(np.uint16) << 8 | padded[half:]).view(np.int16).astype(np.int32)
    values: list[int] = words.tolist()
    x, y, last = values[0], values[1], first
    for index in range(2, len(values)):
        z = 2 * y - x - last
        last = values[index] - 64
        values[index] = z
        x, y = y, z
    return values


def _undo_limb_leads(source: EcgSource, rows: NDArray[np.int32], names: tuple[str, ...]) -> None:
    """Turn what III, aVR, aVL and aVF differ from their computation into the leads."""
    place = {name: index for index, name in enumerate(names)}
    if not {"I", "II", "III", "aVR", "aVL", "aVF"} <= {*place}:
        source.refuse("unsupported", "compressed files are read with all six limb leads", "export twelve leads")
    one, two = rows[place["I"]], rows[place["II"]]
    three = rows[place["III"]]
    three[:] = two - one - three
    rows[place["aVR"]] = -rows[place["aVR"]] - (one + two) // 2
    rows[place["aVL"]] = (one - three) // 2 - rows[place["aVL"]]
    rows[place["aVF"]] = (two + three) // 2 - rows[place["aVF"]]


def _filters(waveforms: Element, band: Element | None) -> DeviceFilters:
    """Return the filters of the samples where the file states them, else those of the printed report."""
    if waveforms.get("hipass"):
        notch = waveforms.get("notchfilterfreqs") if waveforms.get("notchfiltered") == "True" else None
        texts = [waveforms.get("hipass"), waveforms.get("lowpass"), notch]
    else:
        texts = [text_of(band, f"{kind}filtersetting") for kind in ("highpass", "lowpass", "notch")]
    return DeviceFilters(*map(optional_number, texts))


def _start(acquisition: Element | None) -> datetime | None:
    if acquisition is None:
        return None
    try:
        return datetime.fromisoformat(f"{acquisition.get('date')} {acquisition.get('time')}")
    except ValueError:
        return None
