"""Written files hold the signal, to half a microvolt at the most, and nothing about the patient."""

from datetime import datetime

import numpy as np
import pytest

from cardiograph.ecg.ecg import DeviceFilters, Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.readers import read_ecg
from cardiograph.ecg.writers import WRITERS, ecg_files


@pytest.fixture(scope="module")
def gappy():
    """Random leads at an odd rate, with a gap, a start and filters."""
    signal = np.random.default_rng(0).normal(scale=2, size=(12, 600)).astype(np.float32)
    signal[2:6] = np.nan
    signal[2] = signal[1] - signal[0]
    signal[7, 200:400] = np.nan
    return Ecg(signal, 257.5, "page", start=datetime(1999, 12, 31, 23, 59), filters=DeviceFilters(0.05, 150.0, 50.0))


@pytest.mark.parametrize("name", WRITERS)
def test_a_written_file_reads_as_the_same_ecg(name, gappy, tmp_path):
    files = ecg_files(gappy, name, "copy")
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    read = read_ecg(tmp_path / next(iter(files)))
    assert read.rate == gappy.rate
    recorded = [LEADS.index(lead) for lead in gappy.recorded]
    np.testing.assert_allclose(read.signal[recorded], gappy.signal[recorded], atol=0.00026)
    np.testing.assert_array_equal(np.isnan(read.signal[recorded]), np.isnan(gappy.signal[recorded]))
    assert read.start is None
    assert read.filters == (gappy.filters if name == "dicom" else DeviceFilters())


@pytest.mark.parametrize("name", WRITERS)
def test_the_start_is_written_only_where_it_is_wanted(name, gappy):
    for keep in (False, True):
        content = b"".join(ecg_files(gappy, name, "copy", keep_start=keep).values())
        assert (b"19991231" in content or b"31/12/1999" in content) == (keep and name != "csv")


def test_dicom_files_pass_through_another_reader_and_name_no_patient(gappy):
    import io

    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(ecg_files(gappy, "dicom", "copy")["copy.dcm"]))
    values = dataset.waveform_array(0).T  # in microvolts
    np.testing.assert_allclose(values[0], gappy.lead("I") * 1000, atol=0.26)
    assert dataset.PatientIdentityRemoved == "YES"
    assert not [element for element in dataset if element.tag.group == 0x0010 and element.value]


@pytest.mark.parametrize(("source", "originality"), [("page", "DERIVED"), ("pdf", "DERIVED"), ("scp", "ORIGINAL")])
def test_dicom_says_whether_the_signal_was_read_from_a_print(gappy, source, originality):
    import io

    import pydicom

    (content,) = ecg_files(gappy.replace(source=source), "dicom", "copy").values()
    (group,) = pydicom.dcmread(io.BytesIO(content)).WaveformSequence
    assert group.WaveformOriginality == originality
    assert any("derived" in note for note in read_ecg(content).notes) == (originality == "DERIVED")


def test_wfdb_files_pass_through_another_reader(gappy, tmp_path):
    import wfdb

    for file, content in ecg_files(gappy, "wfdb", "copy").items():
        (tmp_path / file).write_bytes(content)
    record = wfdb.rdrecord(str(tmp_path / "copy"))
    np.testing.assert_allclose(record.p_signal[:, 0], gappy.lead("I"), atol=0.00026)
    assert np.isnan(record.p_signal[200:400, 7]).all()


def test_a_name_or_format_that_does_not_suit_is_refused(gappy):
    with pytest.raises(ValueError, match="cannot be called 'a b'"):
        ecg_files(gappy, "wfdb", "a b")
    with pytest.raises(ValueError, match="formats are wfdb, csv, dicom"):
        ecg_files(gappy, "edf", "a")
