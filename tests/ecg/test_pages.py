"""A file of signals becomes the same standard page, whatever its format; an image stays as it is."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg import pages, pdf_pages
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.pages import (
    LAYOUT,
    draw_ecg,
    file_sha256,
    page_content,
    prepare_ecg,
    read_any_page,
    signal_format,
)
from cardiograph.ecg.writers import ecg_files
from cardiograph.errors import ConfigError, PageError
from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance, perceptual_hash
from cardiograph.imaging.page_metadata import extract_metadata
from cardiograph.imaging.prepare import prepare_decoded, prepare_page
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.waves import Heart

CONFIG = PagesConfig()


def simulated(seed, **heart):
    """An ECG of ten seconds."""
    return Ecg(record_ecg(Heart(**heart), np.random.default_rng(seed)).astype(np.float32), 500.0, "simulated")


@pytest.fixture(scope="module")
def ecg():
    return simulated(0)


@pytest.fixture(scope="module")
def folder(ecg, tmp_path_factory):
    """The ECG in every format that is written."""
    folder = tmp_path_factory.mktemp("signals")
    for kind in ("wfdb", "csv", "dicom"):
        for name, content in ecg_files(ecg, kind, "rest").items():
            (folder / name).write_bytes(content)
    return folder


def ink(pixels, column, row):
    """Number of dark pixels of the trace in one place of the 3 x 4 page."""
    x, y = LAYOUT.trace_origin_mm(row)
    left, right = (round((x + 62.5 * edge) * LAYOUT.pixels_per_mm) for edge in (column + 0.1, column + 0.9))
    top, bottom = (round((y + edge) * LAYOUT.pixels_per_mm) for edge in (-6, 8))  # below the name of the lead
    return int((pixels[top:bottom, left:right].max(axis=2) < 100).sum())


def test_one_recording_in_three_formats_is_one_page(folder, ecg):
    read = [prepare_ecg(folder / name, name=name, config=CONFIG).page for name in ("rest.hea", "rest.dcm", "rest.csv")]
    assert [page.page.format for page in read] == ["WFDB", "DICOM", "CSV"]
    assert read[0].pixel_hash == read[1].pixel_hash  # both have steps of half a microvolt
    hashes = np.array([page.perceptual_hash for page in read])
    assert near_copy_distance(hashes[0], hashes).max() < NEAR_COPY_THRESHOLD / 50
    other = draw_ecg(simulated(1, rate=58))[0]
    top, bottom, left, right = (getattr(read[0].box, side) for side in ("top", "bottom", "left", "right"))
    assert near_copy_distance(hashes[0], perceptual_hash(other[top:bottom, left:right])[None])[0] > NEAR_COPY_THRESHOLD
    assert read[0].doubt is None and read[0].page.drawn and read[0].page.notes == ()


@pytest.mark.parametrize("name", ["rest.dcm", "rest.csv"])
def test_the_bytes_of_a_file_are_the_same_page_as_the_file(folder, name):
    content = (folder / name).read_bytes()
    alone, file = (
        read_any_page(content, name="patient", config=CONFIG),
        read_any_page(folder / name, name=name, config=CONFIG),
    )
    np.testing.assert_array_equal(alone.pixels, file.pixels)
    assert alone.file_sha256 == file.file_sha256 == file_sha256(folder / name)
    assert page_content(folder / name) == content


def test_the_hash_of_a_record_covers_its_samples(folder, tmp_path):
    for change, same in ((0, True), (1, False)):
        for name in ("rest.hea", "rest.dat"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        samples = bytearray((tmp_path / "rest.dat").read_bytes())
        samples[-1] ^= change
        (tmp_path / "rest.dat").write_bytes(samples)
        assert (file_sha256(tmp_path / "rest.hea") == file_sha256(folder / "rest.hea")) is same


def test_an_image_is_read_as_before(tmp_path, ecg):
    pixels, _ = draw_ecg(ecg)
    Image.fromarray(pixels).save(tmp_path / "page.csv", "PNG")  # the name does not matter
    assert signal_format(tmp_path / "page.csv", name="page.csv") is None
    before = prepare_page(tmp_path / "page.csv", name="page", config=CONFIG)
    now = prepare_ecg(tmp_path / "page.csv", name="page", config=CONFIG).page
    assert (now.file_sha256, now.pixel_hash, now.box) == (before.file_sha256, before.pixel_hash, before.box)
    assert now.file_sha256 == file_sha256(tmp_path / "page.csv")
    assert now.page.notes == () and not now.page.drawn


def scanned_pdf(ecg, **options):
    buffer = io.BytesIO()
    Image.fromarray(draw_ecg(ecg)[0]).save(buffer, "PDF", resolution=25.4 * LAYOUT.pixels_per_mm, **options)
    return buffer.getvalue()


def test_a_scanned_pdf_is_a_page(tmp_path, ecg, monkeypatch):
    content = scanned_pdf(ecg)
    (tmp_path / "scan.pdf").write_bytes(content)
    page = read_any_page(tmp_path / "scan.pdf", name="scan.pdf", config=CONFIG)
    assert (page.format, page.drawn, page.file_sha256) == ("PDF", False, file_sha256(tmp_path / "scan.pdf"))
    assert page.notes[0].startswith("The PDF was read as a picture: its page holds 0 traces as lines")
    monkeypatch.setattr(pages, "digitised", lambda page, name: (ecg.replace(source="page"), None))
    file = prepare_ecg(content, name="patient", config=CONFIG, needs="leads")
    assert file.leads.source == "page" and file.page.doubt is None
    assert file.page.page.notes == page.notes
    np.testing.assert_array_equal(file.page.page.pixels, page.pixels)


def test_a_pdf_whose_traces_are_lines_is_not_digitised(ecg, monkeypatch):
    monkeypatch.setattr(pdf_pages, "read_source", lambda source, kind: ecg.replace(source="pdf"))
    file = prepare_ecg(scanned_pdf(ecg), name="patient", config=CONFIG, needs="leads")
    assert file.leads.source == "pdf" and file.page.page.drawn


@pytest.mark.parametrize(("colour", "limit", "code"), [("white", 10**7, "blank"), ("black", 10**5, "too_large")])
def test_a_pdf_without_a_page_that_can_be_used_is_refused(colour, limit, code):
    buffer = io.BytesIO()
    Image.new("RGB", (200, 200), colour).save(buffer, "PDF", resolution=72)
    with pytest.raises(PageError) as caught:
        read_any_page(buffer.getvalue(), name="scan.pdf", config=PagesConfig(max_pixels=limit))
    assert [(issue.where, issue.code) for issue in caught.value.issues] == [("page scan.pdf", code)]


STATED = PagesConfig(rate=500, unit="mV", leads=LEADS)


def test_what_a_file_does_not_state_is_stated_for_the_cohort(folder, ecg, tmp_path):
    np.save(tmp_path / "rest.npy", ecg.signal)
    with pytest.raises(
        PageError, match=r"it does not name its channels; set pages\.leads \(`predict --leads`\) for such files"
    ):
        prepare_ecg(tmp_path / "rest.npy", name="rest.npy", config=CONFIG)
    stated = prepare_ecg(tmp_path / "rest.npy", name="rest.npy", config=STATED, needs="leads").leads
    np.testing.assert_array_equal(stated.signal, ecg.signal)
    assert stated.rate == 500
    other = STATED.model_copy(update={"rate": 250.0, "unit": "uV", "leads": LEADS[::-1]})
    for name in ("rest.dcm", "rest.hea", "rest.csv"):  # they state it themselves
        read = prepare_ecg(folder / name, name=name, config=other, needs="leads").leads
        assert read.rate == 500 and np.abs(read.signal - ecg.signal).max() < 5e-4


def test_a_fact_that_is_out_of_range_is_a_setting(folder):
    for wrong in ({"rate": 7.0}, {"leads": ("X", "Y")}):
        with pytest.raises(ConfigError, match=rf"pages\.{next(iter(wrong))} is "):
            read_any_page(folder / "rest.dcm", name="rest.dcm", config=PagesConfig(**wrong))
    with pytest.raises(ValueError, match="one of the two suffices"):
        PagesConfig(unit="mV", gain=1000)


def test_a_longer_recording_shows_its_first_ten_seconds(ecg):
    twice = ecg.replace(signal=np.tile(ecg.signal, 2) + np.float32(3))  # each lead is drawn around its median
    pixels, notes = draw_ecg(twice)
    np.testing.assert_allclose(pixels, draw_ecg(ecg)[0], atol=40)
    assert notes == ("The recording lasts 20 s; its first 10 s, and its typical beat, were used.",)


def test_a_shorter_recording_shows_every_lead(ecg):
    pixels, (note,) = draw_ecg(ecg.replace(signal=ecg.signal[:, :2000].copy()))
    assert "lasts 4 s" in note
    assert all(ink(pixels, column, row) > 100 for column in range(4) for row in range(3))
    assert ink(pixels, 1, 3) < ink(pixels, 0, 3) and ink(pixels, 3, 3) == 0  # the strip ends after 4 s


def test_a_lead_that_was_not_recorded_is_empty_and_named(ecg):
    signal = ecg.signal.copy()
    signal[8] = np.nan
    pixels, (note,) = draw_ecg(ecg.replace(signal=signal))
    assert note == "Nothing was recorded in V3, so these leads are empty on the page."
    assert ink(pixels, 2, 2) == 0 < ink(pixels, 2, 1)


def prepared(signal, tmp_path):
    """Prepare a file of signals that holds these leads at 500 Hz."""
    np.save(tmp_path / "rest.npy", signal)
    return prepare_ecg(tmp_path / "rest.npy", name="rest.npy", config=STATED, needs="leads")


def test_an_empty_start_and_end_are_left_out_everywhere_and_noted(ecg, tmp_path):
    empty = np.full((12, 500), np.nan, dtype=np.float32)
    plain = prepared(ecg.signal, tmp_path)
    wide = prepared(np.hstack([*(empty,) * 10, ecg.signal, empty]), tmp_path)
    assert wide.page.page.notes == (
        "Nothing was recorded in the first 10 s, which were left out.",
        "Nothing was recorded in the last 1 s, which were left out.",
    )
    np.testing.assert_array_equal(wide.leads.signal, plain.leads.signal)
    np.testing.assert_array_equal(wide.page.perceptual_hash, plain.page.perceptual_hash)
    assert wide.page.pixel_hash == plain.page.pixel_hash


def test_gaps_flat_leads_and_short_recordings_are_noted(ecg, tmp_path):
    signal = ecg.signal.copy()
    signal[7] = 0.3
    signal[:, 1000:2000] = np.nan
    assert prepared(signal, tmp_path).page.page.notes == (
        "Nothing was recorded in 2 s in between.",
        "Flat, as from an electrode that was not connected: V2.",
    )
    signal = ecg.signal.copy()
    signal[:, 1000:] = np.nan
    *_, note = prepared(signal, tmp_path).page.page.notes
    assert note == "The encoder has learned from recordings of 2.5 s and longer; this one is shorter."


@pytest.mark.parametrize("change", [lambda signal: signal * 0 + 0.3, lambda signal: signal / 1000])
def test_a_recording_of_flat_leads_is_refused(ecg, tmp_path, change):
    with pytest.raises(PageError) as caught:
        prepared(change(ecg.signal), tmp_path)
    (issue,) = caught.value.issues
    assert issue.code == "no_waveform"
    assert "all its leads are flat" in issue.rule
    assert "check the unit" in issue.remedy


def test_less_than_a_second_of_values_is_too_short(ecg, tmp_path):
    signal = ecg.signal.copy()
    signal[:, 400:] = np.nan
    with pytest.raises(PageError) as caught:
        prepared(signal, tmp_path)
    assert [issue.code for issue in caught.value.issues] == ["too_short"]


def test_a_drawn_page_is_never_taken_for_a_turned_one(folder):
    page = read_any_page(folder / "rest.dcm", name="rest.dcm", config=CONFIG)
    turned = dataclasses.replace(page, pixels=np.ascontiguousarray(page.pixels[::-1, ::-1]))
    assert prepare_decoded(turned, name="a", config=CONFIG).doubt is None
    image = dataclasses.replace(turned, drawn=False)
    assert prepare_decoded(image, name="a", config=CONFIG).doubt.code == "upside_down"


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"\0" * 128 + b"DICM", "a.dcm", "no_waveform"),
        (b"I,II\n0,0\n", "a.csv", "unit_missing"),
        (b"a 1 500 10\na.dat 16 200 16 0 0 0 0 I\n", "a.hea", "missing"),
        (b"nothing", "a.png", "not_an_image"),
        (b"", "a.csv", "empty"),
    ],
)
def test_a_fault_names_page_and_reason(content, name, code, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PageError) as caught:
        prepare_ecg(tmp_path / name, name=name, config=CONFIG)
    (issue,) = caught.value.issues
    assert (issue.where, issue.code) == (f"page {name}", code)
    assert issue.rule and issue.remedy


def test_a_record_is_sent_as_one_file(folder, tmp_path):
    content = page_content(folder / "rest.hea")
    assert content == page_content(folder / "rest.dat")
    sent, file = (
        read_any_page(content, name="patient", config=CONFIG),
        read_any_page(folder / "rest.hea", name="rest.hea", config=CONFIG),
    )
    np.testing.assert_array_equal(sent.pixels, file.pixels)
    assert signal_format(content, name="patient") == "wfdb"
    assert b"rest" not in content
    (tmp_path / "rest.hea").write_bytes((folder / "rest.hea").read_bytes())
    with pytest.raises(PageError, match=r"its file of samples rest\.dat cannot be opened"):
        page_content(tmp_path / "rest.hea")


@pytest.mark.parametrize(("view", "box"), [("grid", None), ("whole", None), ("box", (10, 20, 500, 600))])
def test_a_page_that_is_not_drawn_has_the_facts_of_the_drawn_one(folder, view, box, monkeypatch):
    def prepare(draw):
        config = PagesConfig(view=view, box=box)
        return prepare_ecg(folder / "rest.hea", name="rest", config=config, needs="leads", draw=draw)

    drawn = prepare(draw=True)
    monkeypatch.setattr(pages, "draw_ecg", None)
    paper = prepare(draw=False)
    assert (paper.page.page.pixels != drawn.page.page.pixels).any()
    assert (paper.page.box, paper.page.pixel_hash) == (drawn.page.box, drawn.page.pixel_hash)
    assert extract_metadata(paper.page.page) == extract_metadata(drawn.page.page)
    assert paper.page.page.notes == drawn.page.page.notes
    np.testing.assert_array_equal(paper.page.perceptual_hash, drawn.page.perceptual_hash)
    np.testing.assert_array_equal(paper.leads.signal, drawn.leads.signal)


def test_the_box_of_the_page_is_where_its_grid_is_found(folder):
    drawn = prepare_ecg(folder / "rest.hea", name="rest", config=CONFIG, needs="leads")
    assert drawn.page.box == prepare_decoded(drawn.page.page, name="rest", config=CONFIG).box
