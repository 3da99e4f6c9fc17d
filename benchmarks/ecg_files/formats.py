"""Write an ECG in each format that cardiograph reads: name -> files, the one to read first."""

from __future__ import annotations

import base64
import binascii
import io
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import INDEPENDENT, LEADS
from cardiograph.ecg.writers import ecg_files

Files = dict[str, bytes]

STEP_UV = 2.5
"""Step of the formats that hold whole numbers."""

SCP_NUMBERS = {"I": 1, "II": 2, **{f"V{n}": n + 2 for n in range(1, 7)}, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64}


def drawn_ecg(seconds: float = 4.0, rate: float = 250.0) -> Ecg:
    """An ECG of beats whose voltages are multiples of the step, also in the derived leads."""
    times = np.arange(round(seconds * rate)) / rate
    beat = np.exp(-(((times % 0.8) - 0.3) ** 2) / 2e-4) + 0.2 * np.exp(-(((times % 0.8) - 0.55) ** 2) / 2e-3)
    steps = {lead: 4 * np.round(beat * (60 + 15 * n) * (-1) ** (n == 2)) for n, lead in enumerate(INDEPENDENT)}
    one, two = steps["I"], steps["II"]
    steps |= {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    signal = np.array([steps[lead] for lead in LEADS]) * STEP_UV / 1000
    return Ecg(signal.astype(np.float32), rate, "drawn")


def steps_of(ecg: Ecg) -> np.ndarray:
    """[12, samples] whole numbers of the step."""
    return np.round(ecg.signal.astype(np.float64) * 1000 / STEP_UV).astype("<i2")


def aecg(ecg: Ecg) -> Files:
    """HL7 aECG."""
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/><value xsi:type="SLIST_PQ">'
        f'<origin value="0" unit="uV"/>'
        f'<scale value="{STEP_UV}" unit="uV"/><digits>{" ".join(map(str, row))}</digits></value></sequence></component>'
        for lead, row in zip(LEADS, steps_of(ecg), strict=True)
    )
    text = (
        '<?xml version="1.0"?><AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<component><series><code code="RHYTHM"/><component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE"/>'
        f'<value xsi:type="GLIST_TS"><head value="20240102030405"/><increment value="{1 / ecg.rate!r}" unit="s"/></value>'
        f"</sequence></component>{sequences}</sequenceSet></component></series></component></AnnotatedECG>"
    )
    return {"drawn.xml": text.encode()}


def sierra(ecg: Ecg) -> Files:
    """Philips Sierra XML 1.04, not compressed."""
    data = base64.b64encode(steps_of(ecg).tobytes()).decode()
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>'
        "<documenttype>PhilipsECG</documenttype><documentversion>1.04</documentversion></documentinfo>"
        '<dataacquisition date="2024-01-02" time="03:04:05"><signalcharacteristics>'
        f"<samplingrate>{ecg.rate:g}</samplingrate><resolution>{STEP_UV}</resolution></signalcharacteristics>"
        f'</dataacquisition><waveforms><parsedwaveforms dataencoding="Base64" numberofleads="12" '
        f'leadlabels="{" ".join(LEADS)}" '
        f'durationperchannel="{1000 * ecg.duration:g}">{data}</parsedwaveforms></waveforms></restingecgdata>'
    )
    return {"drawn.xml": text.encode()}


def muse(ecg: Ecg) -> Files:
    """GE MUSE XML: eight leads in base64."""
    leads = "".join(
        f"<LeadData><LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>{STEP_UV}"
        "</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>"
        f"<LeadID>{lead}</LeadID><WaveFormData>{base64.encodebytes(row.tobytes()).decode()}</WaveFormData></LeadData>"
        for lead, row in zip(LEADS, steps_of(ecg), strict=True)
        if lead in INDEPENDENT
    )
    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>'
        "<TestDemographics><AcquisitionTime>03:04:05</AcquisitionTime><AcquisitionDate>01-02-2024</AcquisitionDate>"
        "</TestDemographics><Waveform><WaveformType>Median</WaveformType></Waveform><Waveform><WaveformType>Rhythm"
        f"</WaveformType><SampleBase>{ecg.rate:g}</SampleBase><SampleExponent>0</SampleExponent>"
        f"<HighPassFilter>0.05</HighPassFilter>{leads}</Waveform></RestingECG>"
    )
    return {"drawn.xml": text.encode("iso-8859-1")}


def huffman(values: np.ndarray) -> bytes:
    """Whole numbers in the standard Huffman code of SCP-ECG."""
    bits = []
    for value in values.tolist():
        if abs(value) <= 8:
            bits.append("1" * abs(value) + "0" + ("" if value == 0 else str(int(value < 0))))
        elif -128 <= value < 128:
            bits.append("1" * 9 + "0" + f"{value % 256:08b}")
        else:
            bits.append("1" * 10 + f"{value % 65536:016b}")
    text = "".join(bits)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def scp(ecg: Ecg, *, subtracted: bool = False) -> Files:
    """SCP-ECG with second differences in Huffman code; where ``subtracted``, without a reference beat at two places."""
    steps = steps_of(ecg).astype(np.int64)
    count, length = steps.shape[1], round(0.4 * ecg.rate)
    beats = [(fiducial - 20, fiducial, fiducial - 20 + length - 1) for fiducial in (40, 40 + round(0.8 * ecg.rate))]
    reference = np.round(steps[:, 20 : 20 + length] * 0.9).astype(np.int64)
    if subtracted:
        for begin, _, end in beats:
            steps[:, begin - 1 : end] -= reference[:, : end - begin + 1]
    spans = b"".join(struct.pack("<IIB", 1, count, SCP_NUMBERS[lead]) for lead in LEADS)
    sections = {1: struct.pack("<BH4sBH3sBH", 25, 4, b"\xe8\x07\x01\x02", 26, 3, b"\x03\x04\x05", 255, 0)}
    sections[2] = struct.pack("<H", 19999)
    sections[3] = bytes([12, 5 if subtracted else 4]) + spans
    if subtracted:
        sections[4] = struct.pack("<HHH", round(1000 * length / ecg.rate), 21, len(beats))
        sections[4] += b"".join(struct.pack("<HIII", 0, *beat) for beat in beats)
        sections[5] = _scp_leads(reference, ecg.rate)
    sections[6] = _scp_leads(steps, ecg.rate)
    pointers, body, place = b"", b"", 7 + 16 + 10 * (len(sections) + 1)
    for number, content in sections.items():
        pointers += struct.pack("<HII", number, 16 + len(content), place + len(body))
        body += _scp_section(number, content)
    table = _scp_section(0, struct.pack("<HII", 0, 16 + 10 * (len(sections) + 1), 7) + pointers, b"SCPECG")
    record = struct.pack("<I", 6 + len(table) + len(body)) + table + body
    return {"drawn.scp": struct.pack("<H", binascii.crc_hqx(record, 0xFFFF)) + record}


def _scp_section(number: int, content: bytes, name: bytes = b"\0" * 6) -> bytes:
    section = struct.pack("<HIBB6s", number, 16 + len(content), 20, 20, name) + content
    return struct.pack("<H", binascii.crc_hqx(section, 0xFFFF)) + section


def _scp_leads(steps: np.ndarray, rate: float) -> bytes:
    codes = []
    for row in steps:
        second = np.diff(row, 2)
        codes.append(huffman(np.concatenate([row[:2], second])))
    lengths = struct.pack(f"<{len(codes)}H", *map(len, codes))
    return struct.pack("<HHBB", round(1000 * STEP_UV), round(1e6 / rate), 2, 0) + lengths + b"".join(codes)


def edf(ecg: Ecg) -> Files:
    """EDF in microvolts, by the package edfio."""
    import edfio

    limit = STEP_UV * 32767
    signals = [
        edfio.EdfSignal(
            row * STEP_UV,
            ecg.rate,
            label=f"ECG {lead}",
            physical_dimension="uV",
            physical_range=(-limit - STEP_UV, limit),
            digital_range=(-32768, 32767),
            prefiltering="HP:0.05Hz LP:150Hz",
        )
        for lead, row in zip(LEADS, steps_of(ecg).astype(float), strict=True)
    ]
    buffer = io.BytesIO()
    edfio.Edf(signals).write(buffer)
    return {"drawn.edf": buffer.getvalue()}


def hdf5(ecg: Ecg) -> Files:
    """HDF5 with rate, unit and lead names as attributes."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        data = file.create_dataset("ecg", data=ecg.signal, compression="gzip")
        data.attrs.update({"fs": ecg.rate, "unit": "mV", "leads": [*LEADS]})
    return {"drawn.h5": buffer.getvalue()}


def parquet(ecg: Ecg) -> Files:
    """Parquet with a column for the time and one for each lead."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    columns = {"time [s]": np.arange(ecg.signal.shape[1]) / ecg.rate}
    columns |= {f"{lead} [mV]": row for lead, row in zip(LEADS, ecg.signal, strict=True)}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return {"drawn.parquet": buffer.getvalue()}


def npz(ecg: Ecg) -> Files:
    """NumPy archive with the signal, the rate, the unit and the lead names."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, signal=ecg.signal, fs=ecg.rate, unit="mV", leads=np.array(LEADS))
    return {"drawn.npz": buffer.getvalue()}


def pdf(ecg: Ecg, *, speed: float = 25.0, gain: float = 10.0, shrink: float = 1.0, simplified: bool = True) -> Files:
    """Vector PDF by matplotlib: twelve rows of one lead each, a grid of 5 mm, paper speed and gain in the footer.

    Where ``simplified``, matplotlib leaves out points that lie within 0.04 mm of the line, as it does by default.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    mm = shrink / 25.4
    figure = Figure(figsize=(297 * mm, 297 * mm))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 297), ylim=(0, 297))
    axes.axis("off")
    for place in range(0, 296, 5):
        axes.plot([place, place], [0, 297], color="red", linewidth=0.2)
    times = np.arange(ecg.signal.shape[1]) / ecg.rate
    for number, (lead, row) in enumerate(zip(LEADS, ecg.signal, strict=True)):
        axes.plot(20 + speed * times, 270 - 22 * number + gain * row, color="black", linewidth=0.3)
        axes.text(20, 276 - 22 * number, lead, fontsize=8 * shrink)
    axes.text(20, 5, f"{speed:g} mm/s  {gain:g} mm/mV", fontsize=8 * shrink)
    buffer = io.BytesIO()
    with rc_context({"path.simplify": simplified}):
        figure.savefig(buffer, format="pdf")
    return {"drawn.pdf": buffer.getvalue()}


def _flac(ecg: Ecg) -> Files:
    import wfdb

    with tempfile.TemporaryDirectory() as folder:
        wfdb.wrsamp(
            "flac", fs=ecg.rate, units=["mV"] * 12, sig_name=[*LEADS], d_signal=steps_of(ecg).T.astype(np.int64),
            fmt=["516"] * 12, adc_gain=[1000 / STEP_UV] * 12, baseline=[0] * 12, write_dir=folder,
        )  # fmt: skip
        return {
            path.name: path.read_bytes() for path in sorted(Path(folder).iterdir(), key=lambda p: p.suffix != ".hea")
        }


FORMATS: dict[str, Callable[[Ecg], Files]] = {
    "wfdb": lambda ecg: ecg_files(ecg, "wfdb", "drawn"),
    "wfdb-flac": _flac,
    "dicom": lambda ecg: ecg_files(ecg, "dicom", "drawn"),
    "aecg": aecg,
    "sierra": sierra,
    "muse": muse,
    "scp": scp,
    "scp-beat": lambda ecg: scp(ecg, subtracted=True),
    "edf": edf,
    "hdf5": hdf5,
    "parquet": parquet,
    "numpy": npz,
    "csv": lambda ecg: ecg_files(ecg, "csv", "drawn"),
}
"""Name -> writer of the formats that keep the steps; PDF is not among them."""
