"""Reader of DICOM waveforms: 12-lead, general and ambulatory ECG.

Source: DICOM PS3.3, C.10.9 Waveform Module; PS3.16, CID 3001 ECG Leads.
"""

from __future__ import annotations

import io
import re
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import DeviceFilters, Ecg
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.pieces import Piece, join_pieces
from cardiograph.ecg.readers.scp_codes import SCP_LEADS
from cardiograph.ecg.readers.source import EcgSource

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_GROUPS = 64
_DEFLATED, _BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_LEAD_CODE = re.compile(r"(?:5\.6\.3-9-|2:)(\d+)")
_LEAD_MEANING = re.compile(r"((?:Lead\s+)?\S+?)(?:\s*\(.*\))?", re.IGNORECASE)


def read_dicom(source: EcgSource) -> Ecg:
    """Read the rhythm of a DICOM file; averaged beats are left out with a note."""
    import pydicom

    if _DEFLATED.encode() in source.content[:2048]:
        source.refuse("unsupported", "deflated DICOM files are not read", "store it as Explicit VR Little Endian")
    with source.reading("pydicom"):
        dataset = pydicom.dcmread(io.BytesIO(source.content))
        if dataset.file_meta.get("TransferSyntaxUID") == _BIG_ENDIAN:
            source.refuse("unsupported", "big-endian DICOM files are not read", "store it as Explicit VR Little Endian")
        groups = [*dataset.get("WaveformSequence", ())]
        if not groups:
            source.refuse(
                "no_waveform",
                "it is a DICOM file without waveforms",
                "export the ECG as 12-lead ECG waveform, or as an image for a page",
                value=str(dataset.get("SOPClassUID", "")),
            )
        known = [group for group in groups[:MAX_GROUPS] if not _is_average(group)]
        rhythm = [group for group in known if not _is_derived(group)] or known  # from paper, all of it is derived
        pieces = [_read_group(source, group) for group in rhythm]
        names, rows, rate, notes = join_pieces(source, pieces)
        if len(rhythm) < len(groups):
            notes += (f"{len(groups) - len(rhythm)} groups of averaged or derived beats were left out.",)
        if rhythm and _is_derived(rhythm[0]):
            notes += ("The file says that its signal is derived, such as from a printed page.",)
        filters = _filters(rhythm[0])
        start = _start(str(dataset.get("AcquisitionDateTime", "")))
    return build_ecg(source, names, rows, rate, file_format="dicom", notes=notes, filters=filters, start=start)


def _is_average(group: Dataset) -> bool:
    label = str(group.get("MultiplexGroupLabel", "")).upper()
    return "MEDIAN" in label or "BEAT" in label


def _is_derived(group: Dataset) -> bool:
    return bool(group.get("WaveformOriginality") == "DERIVED")


def _read_group(source: EcgSource, group: Dataset) -> Piece:
    from pydicom.waveforms.numpy_handler import WAVEFORM_DTYPES

    channels, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    source.check_size(channels, samples)
    kind = (int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation))
    if kind not in WAVEFORM_DTYPES:
        source.refuse("unsupported", f"samples of {kind[0]} bits, {kind[1]}, are not read", "store 16 bits, SS")
    dtype = np.dtype(WAVEFORM_DTYPES[kind])
    data = bytes(group.WaveformData)
    needed = channels * samples * dtype.itemsize
    if not needed <= len(data) <= needed + 1:  # DICOM pads to an even length
        source.refuse(
            "truncated", f"it has {len(data):,} bytes of samples, its header announces {needed:,}", "copy it again"
        )
    definitions = [*group.ChannelDefinitionSequence]
    if len(definitions) != channels:
        source.refuse("damaged", f"it defines {len(definitions)} of {channels} channels", "export the file again")
    raw = np.frombuffer(data[:needed], dtype=dtype).reshape(samples, channels)
    names = [_channel_name(channel) for channel in definitions]
    padding = group.get("WaveformPaddingValue")
    rows = np.full((channels, samples), np.nan, dtype=np.float32)
    for row, channel, values in zip(rows, definitions, raw.T, strict=True):
        row[:] = _millivolts(source, channel, values.astype(np.float64))
        if padding is not None:
            row[values == np.frombuffer(_bytes(padding), dtype=dtype)[0]] = np.nan
    offset = float(group.get("MultiplexGroupTimeOffset", 0) or 0) / 1000
    stated = None if all(name == "" for name in names) else names
    return Piece(source.lead_names(stated, channels), rows, float(group.SamplingFrequency), offset)


def _bytes(padding: object) -> bytes:
    return padding if isinstance(padding, bytes) else int(str(padding)).to_bytes(4, "little", signed=True)


def _channel_name(channel: Dataset) -> str:
    """Return the lead of a channel from its code, or else its meaning or label; empty if it has none."""
    for code in channel.get("ChannelSourceSequence", ()):
        found = _LEAD_CODE.fullmatch(str(code.get("CodeValue", "")))
        if found is not None and int(found[1]) in SCP_LEADS:
            return SCP_LEADS[int(found[1])]
        meaning = _LEAD_MEANING.fullmatch(str(code.get("CodeMeaning", "")).strip())
        if meaning is not None:
            return meaning[1]
    return str(channel.get("ChannelLabel", ""))


def _millivolts(source: EcgSource, channel: Dataset, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (value * sensitivity * correction + baseline) in mV, the baseline being in the unit of the sensitivity."""
    sensitivity = channel.get("ChannelSensitivity")
    if sensitivity is None or not float(sensitivity):
        return values * source.millivolts(None)
    units = channel.get("ChannelSensitivityUnitsSequence") or ()
    factor = source.millivolts(str(units[0].CodeValue) if units else None)
    correction = channel.get("ChannelSensitivityCorrectionFactor")
    scale = float(sensitivity) * float(1 if correction is None else correction)
    return (values * scale + float(channel.get("ChannelBaseline") or 0)) * factor


def _filters(group: Dataset) -> DeviceFilters:
    channel = group.ChannelDefinitionSequence[0]
    low, high, notch = (
        float(channel.get(key) or 0) or None
        for key in ("FilterLowFrequency", "FilterHighFrequency", "NotchFilterFrequency")
    )
    return DeviceFilters(low, high, notch)


def _start(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S")
    except ValueError:
        return None
