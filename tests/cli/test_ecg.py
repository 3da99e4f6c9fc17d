"""The commands ``ecg show``, ``measure`` and ``convert`` on a record and on a page of the same ECG."""

import csv
import json
from datetime import datetime

import numpy as np
import pytest
from PIL import Image
from tests.cli.commands import call, failed

from cardiograph.ecg.draw import figure
from cardiograph.ecg.draw.paper import draw_page
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.read_any import read_any
from cardiograph.ecg.writers import ecg_files
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart

START = datetime(2019, 5, 17, 8, 30)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder with ``record.hea``, ``page.png`` and ``letter.docx``."""
    folder = tmp_path_factory.mktemp("ecgs")
    signal = record_ecg(Heart(rate=70), np.random.default_rng(1))
    ecg = Ecg(signal.astype(np.float32), RATE_HZ, "synthetic", start=START)
    for name, content in ecg_files(ecg, "wfdb", "record", keep_start=True).items():
        (folder / name).write_bytes(content)
    Image.fromarray(draw_page(signal, RATE_HZ).pixels).save(folder / "page.png")
    (folder / "letter.docx").write_bytes(b"PK\3\4 a letter")
    return folder


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_show_draws_and_prints_the_measurements(files, place):
    status, output = call("ecg", "show", files / "record.hea", "--out", "record.svg")
    assert status == 0
    assert "Heart rate" in output
    assert "picture: record.svg" in output
    assert "record.hea" in (place / "record.svg").read_text()


def test_show_draws_a_png_by_default(files, place, monkeypatch):
    monkeypatch.setattr(figure, "figure_bytes", lambda drawn, kind: kind.encode())
    status, output = call("ecg", "show", files / "record.hea", "--json")
    assert (status, json.loads(output)["picture"]) == (0, "record-ecg.png")
    assert (place / "record-ecg.png").read_bytes() == b"png"


def test_measure_has_a_row_for_each_file_and_names_those_that_failed(files, capsys):
    names = [str(files / name) for name in ("record.hea", "page.png", "letter.docx")]
    status, _ = call("ecg", "measure", *names, "--csv", "measured.csv")
    assert status == 10
    errors = capsys.readouterr().err
    assert "1 of 3 files were not measured" in errors
    assert "letter.docx" in errors
    with open("measured.csv", newline="") as file:  # noqa: PTH123 - of the working directory
        record, page, letter = csv.DictReader(file)
    assert [row["file"] for row in (record, page, letter)] == names
    assert [record["format"], page["format"], letter["format"]] == ["wfdb", "page", ""]
    assert float(record["heart_rate"]) == pytest.approx(70, abs=4)
    assert float(page["heart_rate"]) == pytest.approx(float(record["heart_rate"]), abs=2)
    assert "none of WFDB" in letter["not_measured"]
    assert (record["not_measured"], letter["heart_rate"]) == ("", "")


def test_measure_as_json_has_issues_and_the_same_exit_status(files):
    status, output = call("ecg", "measure", files / "record.hea", files / "letter.docx", "--json")
    answer = json.loads(output)
    assert status == 10
    assert answer["ecgs"][0]["measurements"]["heart_rate"]["unit"] == "1/min"
    assert [issue["code"] for issue in answer["issues"]] == ["unknown_format"]


def test_a_page_becomes_a_signal_file(files):
    status, output = call("ecg", "convert", files / "page.png", "page.dcm")
    assert (status, output) == (0, "written: page.dcm\n")
    read = read_any("page.dcm")
    assert len(read.recorded) == 12
    assert np.isnan(read.lead("V6")[: round(2 * read.rate)]).all()


def test_deidentify_leaves_out_the_start_and_the_name(files, place):
    call("ecg", "convert", files / "record.hea", "kept.hea")
    call("ecg", "convert", files / "record.hea", "cleared.hea", "--deidentify")
    assert read_any("kept.hea").start == START
    cleared = read_any("cleared.hea")
    assert cleared.start is None
    assert np.array_equal(cleared.signal, read_any(files / "record.hea").signal, equal_nan=True)
    call("ecg", "convert", files / "record.hea", "cleared.svg", "--deidentify")
    assert "record.hea" not in (place / "cleared.svg").read_text()


def test_nothing_is_replaced_without_force_and_the_input_never(files, place):
    (place / "out.dat").write_text("mine")
    status, answer = failed("ecg", "convert", files / "record.hea", "out.hea")
    assert status == 2
    assert "out.dat: exists already" in answer["error"]
    assert (place / "out.dat").read_text() == "mine"
    assert not (place / "out.hea").exists()
    assert call("ecg", "convert", files / "record.hea", "out.hea", "--force")[0] == 0
    status, answer = failed("ecg", "convert", "out.hea", place / "out.hea", "--force")
    assert status == 2
    assert "is an input" in answer["error"]
    (place / "named.hea").write_text((place / "out.hea").read_text())  # its samples are in out.dat
    assert "is an input" in failed("ecg", "convert", "named.hea", "out.dat", "--force")[1]["error"]
    assert "is an input" in failed("ecg", "measure", "named.hea", "--csv", "out.dat", "--force")[1]["error"]


def test_facts_that_a_file_does_not_state_are_options(files, place):
    lead = read_any(files / "record.hea").lead("II")
    (place / "table.csv").write_text("II\n" + "\n".join(f"{value * 1000:.3f}" for value in lead.tolist()))
    status, answer = failed("ecg", "convert", "table.csv", "out.csv", "--unit", "uV")
    assert (status, answer["issues"][0]["code"]) == (4, "rate_missing")
    assert call("ecg", "convert", "table.csv", "out.csv", "--unit", "uV", "--rate", f"{RATE_HZ:g}")[0] == 0
    assert read_any("out.csv").lead("II") == pytest.approx(lead, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("out.csv", "--rate", "5"), "--rate 5: allowed: 20 to 20000 Hz"),
        (("out.csv", "--format", "paper"), "--format paper: unknown; the formats are wfdb, dicom"),
        (("out.csv", "--leads", "X,Y"), "--leads X, Y"),
        (("out.doc",), "use one of .hea"),
        (("a name.hea",), "cannot be called 'a name'"),
    ],
)
def test_wrong_options_are_named(files, place, options, text):
    status, answer = failed("ecg", "convert", files / "record.hea", *options)
    assert status == 2
    assert text in answer["error"]
    assert not [*place.iterdir()]
