"""Writer of DICOM waveforms: General ECG Waveform Storage, or 12-lead ECG where the file is within its limits.

Source: DICOM PS3.3, A.34.3 and A.34.4; PS3.16, CID 3001.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from cardiograph.ecg.ecg import DeviceFilters, Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.readers.scp_codes import SCP_LEADS
from cardiograph.ecg.writers.steps import NOT_RECORDED, to_steps

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_SAMPLES_12_LEAD = 16384
PRINTED = ("page", "pdf")
"""Sources whose samples were read from a print, so that DICOM calls them derived."""

_CODES = {lead: number for number, lead in SCP_LEADS.items()}


def dicom_files(ecg: Ecg, name: str, *, keep_start: bool = False) -> dict[str, bytes]:
    """Return a file with one group of twelve channels; the fields about the patient that must be there are empty."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import (
        ExplicitVRLittleEndian,
        GeneralECGWaveformStorage,
        TwelveLeadECGWaveformStorage,
        generate_uid,
    )

    small = 200 <= ecg.rate <= 1000 and ecg.signal.shape[1] <= MAX_SAMPLES_12_LEAD
    dataset = Dataset()
    dataset.SOPClassUID = TwelveLeadECGWaveformStorage if small else GeneralECGWaveformStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.Modality = "ECG"
    dataset.Manufacturer = "cardiograph"
    for empty in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        setattr(dataset, empty, "")
    for empty in ("AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "ContentDate", "ContentTime"):
        setattr(dataset, empty, None if empty == "SeriesNumber" else "")
    dataset.InstanceNumber = 1
    dataset.AcquisitionDateTime = f"{ecg.start:%Y%m%d%H%M%S}" if keep_start and ecg.start else ""
    dataset.AcquisitionContextSequence = []
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "cardiograph writes signals without facts about the patient"
    dataset.WaveformSequence = [_group(ecg)]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return {f"{name}.dcm": buffer.getvalue()}


def _group(ecg: Ecg) -> Dataset:
    from pydicom.dataset import Dataset

    steps, step = to_steps(ecg)
    group = Dataset()
    group.WaveformOriginality = "DERIVED" if ecg.source in PRINTED else "ORIGINAL"
    group.NumberOfWaveformChannels = len(LEADS)
    group.NumberOfWaveformSamples = steps.shape[1]
    group.SamplingFrequency = f"{ecg.rate:.10g}"
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = [_channel(lead, step, ecg.filters) for lead in LEADS]
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.WaveformPaddingValue = struct.pack("<h", NOT_RECORDED)
    group["WaveformPaddingValue"].VR = "OW"
    group.WaveformData = steps.T.astype("<i2").tobytes()
    group["WaveformData"].VR = "OW"
    return group


def _channel(lead: str, step: float, filters: DeviceFilters) -> Dataset:
    from pydicom.dataset import Dataset

    channel = Dataset()
    channel.ChannelSourceSequence = [_code(f"5.6.3-9-{_CODES[lead]}", "SCPECG", "1.3", f"Lead {lead}")]
    channel.ChannelSensitivity = f"{step:g}"
    channel.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "1.4", "microvolt")]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    known = {
        "FilterLowFrequency": filters.high_pass_hz,
        "FilterHighFrequency": filters.low_pass_hz,
        "NotchFilterFrequency": filters.notch_hz,
    }
    for name, value in known.items():
        if value is not None:
            setattr(channel, name, f"{value:g}")
    return channel


def _code(value: str, scheme: str, version: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodingSchemeVersion = value, scheme, version
    code.CodeMeaning = meaning
    return code
