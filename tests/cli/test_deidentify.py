"""Nothing that identifies a patient in an ECG file reaches a file that ``ecg convert --deidentify`` writes."""

import io
import re
import zlib
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, PngImagePlugin
from tests.cli.commands import call, failed

from cardiograph.ecg.digitize import digitize
from cardiograph.ecg.draw.paper import draw_page
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.writers import ecg_files
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart

IDENTITY = ("Meier", "Anna", "MRN-83127", "Klinikum", "19500307", "1950-03-07", "2019-05-17", "20190517", "17/05/2019")
"""Name, id, institution, date of birth and date of the recording, as the formats write them."""


@pytest.fixture(scope="module")
def ecg():
    signal = record_ecg(Heart(rate=70), np.random.default_rng(1)).astype(np.float32)
    return Ecg(signal, RATE_HZ, "synthetic", start=datetime(2019, 5, 17, 8, 30))


def dicom(ecg):
    (content,) = ecg_files(ecg, "dicom", "x", keep_start=True).values()
    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Meier^Anna", "MRN-83127", "19500307"
    dataset.InstitutionName, dataset.StudyDate = "Klinikum", "20190517"
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return {"in.dcm": buffer.getvalue()}


def wfdb(ecg):
    files = ecg_files(ecg, "wfdb", "Meier_Anna", keep_start=True)
    comments = b"# Anna Meier, MRN-83127\n# born: 1950-03-07, Klinikum\n"
    return {name: content + comments * name.endswith(".hea") for name, content in files.items()}


def table(ecg):
    """A channel has the name of the patient, which a note repeats."""
    (content,) = ecg_files(ecg, "csv", "x").values()
    head, *rows = content.decode().splitlines()
    return {"in.csv": "\n".join([f"{head},Anna Meier 1950-03-07", *(f"{row},0" for row in rows)]).encode()}


def page(ecg):
    """A page with text over and in the grid, and in its metadata."""
    picture = Image.fromarray(draw_page(ecg.signal, ecg.rate).pixels)
    for place in ((40, 4), (500, 300)):
        ImageDraw.Draw(picture).text(place, "Anna Meier MRN-83127", fill=(0, 0, 255))
    facts = PngImagePlugin.PngInfo()
    facts.add_text("Patient", "Anna Meier, 1950-03-07, MRN-83127, Klinikum")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=facts)
    return {"in.png": buffer.getvalue()}


def plain(content):
    """Return the bytes of a file together with what its compressed parts unpack to."""
    unpacked = []
    for match in re.finditer(rb"stream\r?\n", content):
        try:
            unpacked.append(zlib.decompressobj().decompress(content[match.end() :]))
        except zlib.error:
            continue
    return b"\n".join([content, *unpacked])


def identifying(files):
    found = b"".join(plain(path.read_bytes()) for path in files)
    return [text for text in IDENTITY if text.encode() in found or text.encode("utf-16-le") in found]


@pytest.mark.parametrize("write", [dicom, wfdb, table, page])
def test_no_identifying_text_reaches_a_written_file(write, ecg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(digitize, "digitize", lambda pixels, *, name: SimpleNamespace(ecg=ecg.replace(source="page")))
    for name, content in write(ecg).items():
        (tmp_path / name).write_bytes(content)
    inputs = [*tmp_path.iterdir()]
    source = min(inputs, key=lambda path: path.suffix != ".hea")
    assert identifying(inputs)
    outputs = ["out.hea", "out.csv", "out.dcm", *(["out.svg", "out.pdf", "out.png"] if write is page else [])]
    for out in outputs:
        assert call("ecg", "convert", source, out, "--deidentify")[0] == 0
    written = [path for path in tmp_path.iterdir() if path not in inputs]
    assert len(written) == len(outputs) + 1
    assert identifying(written) == []


def test_the_pixels_of_a_page_are_not_copied(ecg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(digitize, "digitize", lambda pixels, *, name: SimpleNamespace(ecg=ecg.replace(source="page")))
    (tmp_path / "in.png").write_bytes(page(ecg)["in.png"])
    call("ecg", "convert", "in.png", "out.png", "--deidentify")

    def blue(name):
        red, green, blue = np.asarray(Image.open(name).convert("RGB"), int).transpose(2, 0, 1)
        return int(((blue > red + 60) & (blue > green + 60)).sum())

    assert blue("in.png") > 100 and blue("out.png") == 0
    assert Image.open("out.png").info.keys() <= {"dpi"}


def test_a_record_may_not_carry_the_name_of_the_input(ecg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in wfdb(ecg).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "copy").mkdir()
    status, answer = failed("ecg", "convert", "Meier_Anna.hea", "copy/meier_anna.dat", "--deidentify")
    assert status == 2 and "needs another name" in answer["error"]
