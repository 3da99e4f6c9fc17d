"""A .zip of one WFDB record is read like the record; anything else in a .zip is refused, and nothing stays behind."""

import io
import zipfile

import numpy as np
import pytest

from cardiograph.ecg.readers import read_ecg, record_zip
from cardiograph.ecg.readers.record_zip import one_content, pack_record, without_names
from cardiograph.errors import EcgError


@pytest.fixture(scope="module")
def record(written):
    """Name -> content of the two files of a record."""
    header = written["wfdb"]
    return {path.name: path.read_bytes() for path in (header, header.with_suffix(".dat"))}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def refusal(content):
    with pytest.raises(EcgError) as caught:
        read_ecg(content, name="patient")
    return caught.value.issues[0]


def test_a_packed_record_is_the_record(written, record, monkeypatch, tmp_path):
    monkeypatch.setattr(record_zip, "MEMORY_FOLDER", tmp_path)
    truth = read_ecg(written["wfdb"])
    files = [*record.items()]
    assert pack_record(files) == pack_record(files[::-1]) == one_content(files)
    inside = zipped([("a/", b""), *((f"a/{name}", content) for name, content in files), ("__MACOSX/a", b"")])
    for content in (pack_record(files), inside):
        np.testing.assert_array_equal(read_ecg(content).signal, truth.signal)
    assert [*tmp_path.iterdir()] == []
    assert read_ecg(written["numpy"]).source == "numpy"  # .npz is a .zip, too


def test_a_record_is_sent_without_its_names(written, record):
    files = [
        (name.replace("drawn", "Jörg_Doe"), content.replace(b"drawn", "Jörg_Doe".encode()))
        for name, content in record.items()
    ]
    files[0] = (files[0][0], b"# Jane Doe, 1950\n" + files[0][1] + b"# Age: 70\n")
    content = pack_record(without_names(files))
    assert b"Doe" not in content and b"Age" not in content
    np.testing.assert_array_equal(read_ecg(content).signal, read_ecg(written["wfdb"]).signal)


def test_one_file_of_another_format_stays_as_it_is():
    assert one_content([("scan of Anna.jpg", b"\xff\xd8\xff")]) == b"\xff\xd8\xff"


@pytest.mark.parametrize("name", ["drawn.hea", "drawn.dat"])
def test_the_missing_file_of_a_record_is_named(record, name):
    issue = refusal(one_content([(name, record[name])]))
    if name == "drawn.hea":
        assert issue.code == "missing" and "drawn.dat" in issue.rule and "send them together" in issue.remedy
    else:
        assert issue.code == "needs_path" and ".hea" in issue.rule and issue.value == "drawn.dat"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ([("other.hea", b"other 1 500 10\n")], "needs_path"),
        ([("scan.png", b"\x89PNG")], "contradiction"),
        ([("b/x.dat", b"0")], "contradiction"),
        ([("drawn.dat", b"0")], "contradiction"),
        ([("../drawn.atr", b"0")], "contradiction"),
        ([("..", b"0")], "contradiction"),
        ([("x" * 300, b"0")], "contradiction"),
        ([("Anna Meier.dat", b"0")], "contradiction"),
        ([(f"drawn.{number}", b"0") for number in range(70)], "too_large"),
        ([("drawn.atr", bytes(2**27))], "too_large"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_not_one_record_is_refused(record, more, code):
    assert refusal(zipped([*record.items(), *more])).code == code


def test_a_damaged_archive_is_refused(record):
    content = bytearray(pack_record([*record.items()]))
    content[200] ^= 1
    assert refusal(bytes(content)).code == "damaged"  # the checksum of a file
    assert refusal(bytes(content[:-30])).code == "damaged"
    assert refusal(zipped([("letter.xml", b"0")])).code == "unknown_format"


def test_a_header_reaches_no_file_outside(record, tmp_path, monkeypatch):
    secret = tmp_path / "secret.dat"
    secret.write_bytes(record["drawn.dat"])
    header = record["drawn.hea"].replace(b"drawn.dat", str(secret).encode())
    assert refusal(pack_record([("drawn.hea", header)])).code == "damaged"
