"""Reader of GE MUSE XML files (RestingECG): the rhythm in base64, eight leads from which the other four follow.

Written from descriptions of the format and tried on written files only.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import DeviceFilters, Ecg
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.source import EcgSource
from cardiograph.ecg.readers.xml_files import decode_base64, number_of, optional_number, parse_xml, text_of

_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV"}


def read_muse(source: EcgSource) -> Ecg:
    """Read the rhythm of a MUSE file; median beats are left out with a note."""
    root = parse_xml(source)
    waveforms = root.findall("Waveform")
    rhythm = [each for each in waveforms if (text_of(each, "WaveformType") or "").lower() == "rhythm"]
    if not rhythm:
        source.refuse("no_waveform", "it has no waveform of type Rhythm", "export the file with its waveforms")
    notes: tuple[str, ...] = ()
    if len(waveforms) > 1:
        notes = (f"The first rhythm was read; {len(waveforms) - 1} further waveforms, such as medians, were left out.",)
    waveform = rhythm[0]
    exponent = number_of(source, text_of(waveform, "SampleExponent") or "0", "SampleExponent")
    if abs(exponent) > 3:
        source.refuse("rate", "the exponent of its sampling rate is not -3 to 3", "export the file again")
    rate = source.rate(number_of(source, text_of(waveform, "SampleBase"), "SampleBase") * 10.0**exponent)
    leads = waveform.findall("LeadData")
    names = source.lead_names([text_of(lead, "LeadID") or "" for lead in leads] or None, len(leads))
    values = [_millivolts(source, lead) for lead in leads]
    if len({len(each) for each in values}) > 1:
        source.refuse("truncated", "its leads have different numbers of samples", "export the file again")
    source.check_size(len(values), len(values[0]) if values else 0)
    filters = DeviceFilters(
        *(optional_number(text_of(waveform, key)) for key in ("HighPassFilter", "LowPassFilter", "ACFilter"))
    )
    return build_ecg(
        source,
        names,
        np.array(values, dtype=np.float32),
        rate,
        file_format="muse",
        notes=notes,
        filters=filters,
        start=_start(root),
    )


def _millivolts(source: EcgSource, lead: Element) -> NDArray[np.float64]:
    size = text_of(lead, "LeadSampleSize") or "2"
    if size != "2":
        source.refuse("unsupported", f"samples of {size} bytes are not read", "export the file with 16 bits")
    if number_of(source, text_of(lead, "LeadTimeOffset") or "0", "LeadTimeOffset"):
        source.refuse("unsupported", "a lead begins later than the others", "export simultaneous leads")
    unit = text_of(lead, "LeadAmplitudeUnits")
    step = number_of(source, text_of(lead, "LeadAmplitudeUnitsPerBit"), "LeadAmplitudeUnitsPerBit")
    content = decode_base64(source, text_of(lead, "WaveFormData"))
    count = int(number_of(source, text_of(lead, "LeadSampleCountTotal"), "LeadSampleCountTotal"))
    if len(content) != 2 * count:
        source.refuse(
            "truncated", f"a lead has {len(content)} bytes for {count} samples of 2 bytes", "export the file again"
        )
    scale = step * source.millivolts(_UNITS.get(unit.upper(), unit) if unit else None)
    return np.frombuffer(content, dtype="<i2") * scale


def _start(root: Element) -> datetime | None:
    date, time = text_of(root, "TestDemographics/AcquisitionDate"), text_of(root, "TestDemographics/AcquisitionTime")
    try:
        return datetime.strptime(f"{date} {time}", "%m-%d-%Y %H:%M:%S")
    except ValueError:
        return None
