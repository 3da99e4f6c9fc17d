"""One recording is the same ECG in whatever format; real files of devices and databases are read as they are."""

import io

import numpy as np
import pytest

from cardiograph.ecg.leads import INDEPENDENT, LEADS
from cardiograph.ecg.readers import ReadOptions, read_ecg
from cardiograph.ecg.writers import ecg_files
from cardiograph.errors import EcgError

EXACT = (
    "wfdb", "wfdb-flac", "dicom", "aecg", "sierra", "muse", "scp", "scp-beat", "edf", "hdf5", "parquet", "numpy", "csv",
)  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_one_recording_is_the_same_ecg_in_every_format(name, written, drawn):
    ecg = read_ecg(written[name])
    np.testing.assert_allclose(ecg.signal, drawn.signal, atol=1e-6, rtol=0)
    assert ecg.rate == drawn.rate
    assert ecg.source == name.partition("-")[0]
    assert ecg.derived == (tuple(lead for lead in LEADS if lead not in INDEPENDENT) if name == "muse" else ())


def test_every_format_is_recognised_from_its_content_alone(written, drawn):
    for name, path in written.items():
        if not name.startswith(("wfdb", "csv", "numpy")):
            ecg = read_ecg(path.read_bytes(), name="upload")
            assert ecg.source == name.partition("-")[0]


def test_the_lines_of_a_pdf_give_the_voltages_whatever_the_size_of_the_print(formats, drawn):
    content = next(iter(formats.pdf(drawn, speed=50.0, gain=20.0, shrink=0.9).values()))
    ecg = read_ecg(content)
    times = np.arange(ecg.signal.shape[1]) / ecg.rate
    for lead in LEADS:
        wanted = np.interp(times, np.arange(drawn.signal.shape[1]) / drawn.rate, drawn.lead(lead))
        error = ecg.lead(lead) - (wanted - np.median(wanted))
        assert np.abs(error).max() < 0.05, lead  # mV; the drawing program leaves out points within its own accuracy
        assert np.std(error) < 0.01, lead
    assert any("50 mm/s and 20 mm/mV" in note for note in ecg.notes)


def test_start_and_filters_are_those_of_the_file(written):
    for name in ("aecg", "sierra", "muse", "scp"):
        assert f"{read_ecg(written[name]).start:%Y-%m-%d %H:%M:%S}" == "2024-01-02 03:04:05", name
    filters = read_ecg(written["edf"]).filters
    assert (filters.high_pass_hz, filters.low_pass_hz, filters.notch_hz) == (0.05, 150.0, None)


def test_the_same_recording_as_aecg_and_scp_is_equal_sample_by_sample(shared):
    folder = shared / "data" / "formats"
    one, two = read_ecg(folder / "aecg" / "fda-subject1.xml"), read_ecg(folder / "scp" / "example.scp")
    np.testing.assert_array_equal(one.signal, two.signal)
    assert one.rate == two.rate == 500
    assert one.start == two.start
    assert one.notes == ("The representative beats were left out.",)


def test_an_aecg_file_without_a_waveform_is_refused(shared):
    with pytest.raises(EcgError) as caught:
        read_ecg(shared / "data" / "formats" / "aecg" / "no-waveform.xml")
    assert caught.value.issues[0].code == "too_short"


def test_compressed_sierra_files_equal_another_decoder(shared):
    import sierraecg

    path = shared / "data" / "formats" / "sierra" / "sierra-1.03.xml"
    ecg = read_ecg(path)
    for lead in sierraecg.read_file(str(path)).leads:
        np.testing.assert_allclose(ecg.lead(lead.label), lead.samples[: ecg.signal.shape[1]] * 0.005, atol=1e-6)


def test_the_rhythm_of_a_dicom_file_is_read_and_its_printout_agrees(shared):
    folder = shared / "data" / "formats" / "dicom"
    ecg, printed = read_ecg(folder / "ecg-1000hz.dcm"), read_ecg(folder / "ecg-1000hz-printed.pdf")
    assert ecg.signal.shape == (12, 10_000)
    assert any("averaged or derived beats" in note for note in ecg.notes)
    assert any("holds II twice" in note for note in printed.notes)
    pairs = []
    for lead in LEADS:
        places = np.flatnonzero(np.isfinite(printed.lead(lead)))[10:]
        truth = ecg.lead(lead)[2 * places - 4]  # the printing program filters, which delays by 4 ms
        pairs.append([printed.lead(lead)[places], truth - np.median(truth)])
    assert np.corrcoef(np.concatenate(pairs, axis=1))[0, 1] > 0.99


@pytest.mark.parametrize("name", ["A0001", "E00001", "HR00001", "JS00001", "Q0001", "S0001"])
def test_wfdb_records_with_samples_in_mat_files_equal_the_numbers_in_them(shared, name):
    from scipy.io import loadmat

    path = shared / "data" / "formats" / "wfdb-mat" / f"{name}.mat"
    np.testing.assert_allclose(read_ecg(path).signal, loadmat(path)["val"] / 1000, atol=1e-6)


def test_wfdb_records_in_flac_are_read_and_other_channels_are_named(shared):
    ecg = read_ecg(next((shared / "data" / "code-15" / "records").rglob("*.hea")))
    assert (ecg.rate, len(ecg.recorded)) == (400, 12)
    frank = read_ecg(shared / "data" / "ptb-sample" / "s0010_re.hea")
    assert frank.notes == ("Channels that are not among the twelve leads were left out: vx, vy, vz.",)
    np.testing.assert_allclose(frank.signal[:3, 0], [-0.2445, -0.229, 0.0155], atol=1e-6)


def test_an_hdf5_file_without_facts_is_read_with_the_options_and_only_so(shared):
    path = shared / "data" / "formats" / "sph" / "SPH00001.h5"
    with pytest.raises(EcgError) as caught:
        read_ecg(path, options=ReadOptions(rate=500, unit="mV"))
    assert caught.value.issues[0].code == "leads_missing"
    ecg = read_ecg(path, options=ReadOptions(rate=500, unit="mV", leads=LEADS))
    assert ecg.signal.shape == (12, 5000)
    assert ecg.einthoven_error() < 0.01


def test_a_wfdb_record_of_several_segments_keeps_its_gaps(drawn, tmp_path):
    half = drawn.signal.shape[1] // 2
    for name, part in (("one", drawn.signal[:, :half]), ("two", drawn.signal[:, half:])):
        for file, content in ecg_files(drawn.replace(signal=part.copy()), "wfdb", name).items():
            (tmp_path / file).write_bytes(content)
    (tmp_path / "all.hea").write_text(f"all/3 12 250 {half * 2 + 100}\none {half}\n~ 100\ntwo {half}\n")
    ecg = read_ecg(tmp_path / "all.hea")
    np.testing.assert_allclose(np.delete(ecg.signal, np.s_[half : half + 100], axis=1), drawn.signal, atol=1e-6)
    assert np.isnan(ecg.signal[:, half : half + 100]).all()


def test_groups_of_leads_in_a_dicom_file_keep_their_times(drawn):
    """As of a device that stores three leads after the other, with a rhythm strip."""
    import pydicom

    parts = []
    for rows, start in (((1,), 0), ((0, 1, 2), 0), ((6, 7, 8), 2)):
        signal = np.full_like(drawn.signal, np.nan)
        begin, end = (0, 1000) if len(rows) == 1 else (start * 250, start * 250 + 500)
        signal[list(rows), begin:end] = drawn.signal[list(rows), begin:end]
        file = pydicom.dcmread(io.BytesIO(ecg_files(drawn.replace(signal=signal[:, begin:end]), "dicom", "a")["a.dcm"]))
        (group,) = file.WaveformSequence
        group.MultiplexGroupTimeOffset = str(1000 * start)
        keep = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12)[:, rows]
        group.WaveformData, group.NumberOfWaveformChannels = keep.tobytes(), len(rows)
        group.ChannelDefinitionSequence = [group.ChannelDefinitionSequence[row] for row in rows]
        parts.append(group)
    file.WaveformSequence = parts
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    ecg = read_ecg(buffer.getvalue())
    np.testing.assert_allclose(ecg.lead("II"), drawn.lead("II"), atol=1e-6)
    np.testing.assert_allclose(ecg.lead("I")[:500], drawn.lead("I")[:500], atol=1e-6)
    np.testing.assert_allclose(ecg.lead("V2")[500:], drawn.lead("V2")[500:], atol=1e-6)
    assert np.isnan(ecg.lead("V2")[:500]).all()
    assert any("holds II twice" in note for note in ecg.notes)
