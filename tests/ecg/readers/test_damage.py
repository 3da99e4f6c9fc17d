"""Whatever is in a file, the answer is an ECG or an error with a code of the list."""

import io
import itertools
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.readers import ReadOptions, read_ecg
from cardiograph.ecg.readers.codes import READER_CODES
from cardiograph.ecg.readers.read import open_source
from cardiograph.ecg.readers.registry import READERS
from cardiograph.errors import EcgError

FORMATS = (
    "wfdb", "wfdb-flac", "dicom", "aecg", "sierra", "muse", "scp", "edf", "hdf5", "parquet", "numpy", "csv", "pdf",
)  # fmt: skip


def code_of(source, **arguments):
    """Code of the refusal of a file."""
    with pytest.raises(EcgError) as caught:
        read_ecg(source, **arguments)
    (issue,) = caught.value.issues
    assert issue.code in READER_CODES
    assert issue.rule
    assert issue.remedy
    return issue.code


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_refused_with_a_code_or_read(name, written, damage, tmp_path):
    path = written[name]
    for other in path.parent.iterdir():
        (tmp_path / other.name).write_bytes(other.read_bytes())
    copy, refused, copies = tmp_path / path.name, 0, 3 if name == "pdf" else 10  # PDFs take a process each
    for _, content in damage.damaged(path.read_bytes(), copies, seed=1):
        copy.write_bytes(content)
        try:
            assert isinstance(read_ecg(copy, file_format=name.partition("-")[0]), Ecg)
        except EcgError as error:
            refused += 1
            assert error.issues[0].code in READER_CODES
    assert refused >= copies // 3


@pytest.mark.parametrize("name", ["aecg", "sierra", "muse"])
def test_entities_in_xml_are_refused_before_they_grow(name, written, damage):
    content = next(each for kind, each in damage.damaged(written[name].read_bytes(), 12) if kind == "bomb")
    tracemalloc.start()
    assert code_of(content, file_format=name) == "entities"
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def npy(shape, dtype="<f4"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": dtype})
    return buffer.getvalue()


def test_absurd_sizes_are_refused_before_memory_is_taken(written):
    options = ReadOptions(rate=500, unit="mV", leads=LEADS)
    tracemalloc.start()
    assert code_of(npy((12, 10**12)), options=options) == "too_large"
    assert code_of(npy((12, 5000)), options=options) == "truncated"
    header = written["wfdb"].read_text().replace("drawn 12 250 1000", "huge 12 250 999999999999")
    path = written["wfdb"].with_name("huge.hea")
    path.write_text(header)
    assert code_of(path) == "too_large"
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_an_archive_that_unpacks_to_more_than_it_announces_is_cut():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("signal.npy", npy((12, 1000)) + bytes(50_000_000))
    tracemalloc.start()
    read = read_ecg(buffer.getvalue(), name="a.npz", options=ReadOptions(rate=500, unit="mV", leads=LEADS))
    assert read.signal.shape == (12, 1000)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, np.array([Trap()] * 12, dtype=object), allow_pickle=True)
        assert code_of(tmp_path / name) == "not_numeric"
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("line", ["../../etc/passwd 16", "s3://bucket/x.dat 16", "/etc/passwd 16"])
def test_a_wfdb_header_names_files_of_its_own_folder_only(written, line):
    path = written["wfdb"].with_name("reach.hea")
    text = written["wfdb"].read_text().replace("drawn 12", "reach 12").replace("drawn.dat 16", line)
    path.write_text(text)
    assert code_of(path) == "damaged"


def test_facts_that_a_wfdb_header_does_not_state_are_not_guessed(written):
    path, text = written["wfdb"].with_name("facts.hea"), written["wfdb"].read_text().replace("drawn 12", "facts 12")
    path.write_text(text.replace("2000(0)/mV", "0(0)/mV"))
    assert code_of(path) == "unit_missing"
    assert read_ecg(path, options=ReadOptions(gain=2000)).signal.max() > 1
    path.write_text(text.replace(" 2000(0)/mV", ""))
    assert code_of(path) == "damaged"
    path.write_text(text.replace("2000(0)/mV", "2000(0)/mmHg"))
    assert code_of(path) == "unit_missing"
    path.write_text(text.replace("2000(0)/mV", "2(0)/mV"))
    assert code_of(path) == "amplitude"
    data = written["wfdb"].with_suffix(".dat")
    (path.parent / "flipped.dat").write_bytes(bytes([data.read_bytes()[0] ^ 64]) + data.read_bytes()[1:])
    path.write_text(text.replace("drawn.dat", "flipped.dat"))
    assert code_of(path) == "checksum"
    path.write_text(text.replace("drawn.dat", "absent.dat"))
    assert code_of(path) == "missing"
    assert code_of(written["wfdb"].read_bytes(), file_format="wfdb") == "needs_path"


TABLE = "time [s],I [mV],II [mV]\n" + "".join(f"{n / 100:.2f},{n % 7 / 10},{n % 5 / 10}\n" for n in range(200))


def test_tables_state_their_facts_or_the_options_do():
    read = read_ecg(TABLE.encode(), name="a.csv")
    assert (read.rate, read.recorded, read.derived) == (100, LEADS[:6], LEADS[2:6])
    bare = TABLE.replace("time [s],", "").replace(" [mV]", "")
    bare = "\n".join([bare.splitlines()[0], *(row.partition(",")[2] for row in bare.splitlines()[1:])])
    options = ReadOptions(rate=100, unit="uV")
    np.testing.assert_allclose(
        read_ecg(bare.encode(), name="a.csv", options=options).signal, read.signal / 1000, atol=1e-7
    )
    assert code_of(bare.encode(), name="a.csv") == "unit_missing"
    assert code_of(bare.encode(), name="a.csv", options=ReadOptions(unit="mV")) == "rate_missing"
    body = bare.partition("\n")[2].encode()
    assert code_of(body, name="a.csv", options=options) == "leads_missing"
    semicolons = TABLE.replace(",", ";").replace(".", ",").encode()
    np.testing.assert_array_equal(read_ecg(semicolons, name="a.csv").signal, read.signal)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("I [mV],II", "II [mV],II", "duplicate_lead"),
        ("I [mV],II [mV]", "X [mV],Y [mV]", "no_leads"),
        ("1.00,", "1.50,", "irregular_time"),
        ("1.00,0.2", "1.00,high", "not_numeric"),
        ("1.00,0.2", "1.00,900", "amplitude"),
        ("1.00,0.2,", "1.00,", "damaged"),
        ("I [mV]", "I [mmHg]", "no_leads"),
    ],
)
def test_faults_of_a_table_are_named(old, new, code):
    assert old in TABLE
    if code == "no_leads":
        new = new.replace("II [mV]", "b")
    text = TABLE.replace(old, new, 1)
    assert code_of(text.replace("II [mV]", "b", 1).encode() if "mmHg" in new else text.encode(), name="a.csv") == code


def test_other_columns_are_left_out_with_a_note():
    text = "\n".join(f"{row},{'remark' if n == 0 else 'x'}" for n, row in enumerate(TABLE.splitlines()))
    ecg = read_ecg(text.encode(), name="a.csv")
    assert ecg.notes == ("Channels that are not among the twelve leads were left out: remark.",)


def test_options_are_checked_and_contradict_no_file(written):
    for options in (
        ReadOptions(rate=5), ReadOptions(unit="mmHg"), ReadOptions(gain=-1), ReadOptions(unit="mV", gain=1),
        ReadOptions(page=0), ReadOptions(leads=("a",)), ReadOptions(leads=("I", "i")),
        ReadOptions(rate="500"), ReadOptions(page="1"), ReadOptions(unit=3), ReadOptions(leads="I,II"),
    ):  # fmt: skip
        assert code_of(written["scp"], options=options) == "option"
    assert code_of(written["scp"], options=ReadOptions(rate=500)) == "contradiction"
    assert read_ecg(written["scp"], options=ReadOptions(rate=250)).rate == 250
    assert code_of(written["pdf"], options=ReadOptions(page=2)) == "no_page"


def test_files_that_are_none_are_named(tmp_path):
    assert code_of(tmp_path / "absent.scp") == "missing"
    assert code_of(tmp_path) == "missing"
    assert code_of(b"") == "empty"
    assert code_of(b"GIF89a") == "unknown_format"
    with pytest.raises(ValueError, match="no ECG format is called 'mfer'"):
        read_ecg(b"x", file_format="mfer")


def test_a_missing_package_is_named_with_the_extra(written, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert code_of(written["hdf5"]) == "package_missing"
    with pytest.raises(EcgError, match=r"pip install 'cardiograph\[ecg\]'"):
        read_ecg(written["hdf5"])


def test_contradicting_limb_leads_are_noted(formats, drawn):
    signal = drawn.signal.copy()
    signal[2] += 1
    ecg = read_ecg(formats.aecg(drawn.replace(signal=signal))["drawn.xml"])
    assert any("contradict each other: I + III differs from II by 1.00 mV" in note for note in ecg.notes)


def test_a_pdf_page_without_traces_is_rendered_for_the_digitiser():
    from PIL import Image

    from cardiograph.ecg.readers.pdf import render_pdf

    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), (200, 30, 30)).save(buffer, "PDF", resolution=72)
    assert code_of(buffer.getvalue()) == "no_traces"
    source = open_source(buffer.getvalue())
    pixels, notes = render_pdf(source, max_pixels=10**6)
    assert notes == ()
    assert (pixels.dtype, pixels.shape[2]) == (np.uint8, 3)
    np.testing.assert_allclose(pixels.shape[:2], (200 * 254 / 72, 300 * 254 / 72), atol=2)
    np.testing.assert_allclose(pixels[300, 500], (200, 30, 30), atol=3)
    with pytest.raises(EcgError, match="pixels, at most 700,000 are read"):
        render_pdf(source, max_pixels=700_000)


def test_a_pdf_that_takes_any_amount_of_memory_is_refused(monkeypatch, damage):
    from cardiograph.ecg.readers import pdf

    monkeypatch.setattr(pdf, "MEMORY_BYTES", 250 * 2**20)
    assert code_of(damage.pdf_bomb(depth=8, fan=10)) == "too_large"


def test_every_reader_is_in_the_list_of_formats_that_are_tested(written):
    assert {name.partition("-")[0] for name in written} == {*READERS}
    assert len({*itertools.chain.from_iterable(spec.suffixes for spec in READERS.values())}) > 12


def test_reading_loads_no_pandas_except_for_wfdb(written):
    """The service reads ECG files, and must stay small."""
    paths = [str(written[name]) for name in ("scp", "dicom", "aecg", "csv", "hdf5", "pdf")]
    code = (
        "import sys; from cardiograph.ecg.readers import read_ecg\n"
        "for path in sys.argv[1:]: read_ecg(path)\n"
        "print([name for name in ('pandas', 'scipy', 'matplotlib', 'sklearn', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cut_file_of_samples_is_named_with_its_bytes(written, tmp_path):
    header = tmp_path / written["wfdb"].name
    header.write_bytes(written["wfdb"].read_bytes())
    samples, whole = header.with_suffix(".dat"), written["wfdb"].with_suffix(".dat").read_bytes()
    samples.write_bytes(whole[:-100])
    with pytest.raises(EcgError, match=f"{samples.name} has {len(whole) - 100:,} of {len(whole):,} bytes"):
        read_ecg(header)
    samples.write_bytes(b"")
    assert code_of(header) == "empty"


def test_a_damaged_hdf5_file_does_not_end_the_process_that_keeps_its_error(written, tmp_path):
    path = tmp_path / "cut.h5"
    path.write_bytes(written["hdf5"].read_bytes()[:5000])
    code = (
        "import atexit, gc, sys\n"
        "from cardiograph.ecg.readers.read import read_ecg\n"
        "from cardiograph.errors import EcgError\n"
        "atexit.register(gc.freeze)\n"
        "try: read_ecg(sys.argv[1])\n"
        "except EcgError as error: kept = error\n"
        "sys.exit(4)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 4
