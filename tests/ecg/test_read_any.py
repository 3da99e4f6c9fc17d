"""Any file is read: by its reader, as a scan, or as an image; the options that do not fit are refused."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cardiograph.ecg.digitize import digitize
from cardiograph.ecg.draw.paper import draw_page
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.read_any import read_any
from cardiograph.ecg.writers import ecg_files
from cardiograph.errors import EcgError, PageError
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart


@pytest.fixture(scope="module")
def signal():
    return record_ecg(Heart(rate=70), np.random.default_rng(1))


@pytest.fixture(scope="module")
def page(signal):
    return Image.fromarray(draw_page(signal, RATE_HZ).pixels)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def code_of(*arguments, **options):
    with pytest.raises(EcgError) as raised:
        read_any(*arguments, **options)
    return raised.value.issues[0].code


def test_a_scanned_pdf_is_digitised(signal, page):
    read = read_any(saved(page, "PDF", resolution=101.6), name="scan.pdf")
    assert read.source == "page"
    truth = Ecg(signal.astype(np.float32), RATE_HZ, "synthetic").resampled(read.rate).lead("II")
    lead = read.lead("II")
    assert np.isfinite(lead).sum() > 9 * read.rate
    # a page has no time origin: the trace may be 20 ms early or late
    assert max(correlation(lead, truth, shift) for shift in range(-10, 11)) > 0.99


def correlation(lead, truth, shift):
    """Correlation of a lead that is ``shift`` samples late with the truth, over the samples that both hold."""
    late = np.roll(lead, -shift)[10:-10]
    length = min(len(late), len(truth) - 20)
    both = np.isfinite(late[:length])
    return np.corrcoef(late[:length][both], truth[10 : 10 + length][both])[0, 1]


def test_other_images_and_pages_of_a_file_are_named(page, signal, monkeypatch):
    ecg = Ecg(signal.astype(np.float32), RATE_HZ, "page")
    monkeypatch.setattr(digitize, "digitize", lambda pixels, *, name: SimpleNamespace(ecg=ecg))
    content = saved(page, "TIFF", save_all=True, append_images=[page])
    assert "The file holds 2 images; the first was read." in read_any(content, name="scan.tif").notes
    content = saved(page, "PDF", resolution=254, save_all=True, append_images=[page])
    assert "The file has 2 pages; page 2 was read." in read_any(content, page=2).notes


def test_bytes_of_a_signal_file_are_read(signal):
    ecg = Ecg(signal.astype(np.float32), RATE_HZ, "synthetic")
    (content,) = ecg_files(ecg, "dicom", "record").values()
    assert read_any(content).signal == pytest.approx(ecg.signal, abs=5e-4)


def test_what_does_not_fit_is_refused(page):
    content = saved(page, "PNG")
    assert code_of(content, rate=500) == "option"
    assert code_of(content, leads=("I", "II")) == "option"
    assert code_of(content, page=2) == "no_page"
    assert code_of(b"a letter", name="letter.doc") == "unknown_format"
    with pytest.raises(ValueError, match="no ECG format is called 'paper'"):
        read_any(content, file_format="paper")
    with pytest.raises(PageError, match="cut short or damaged"):
        read_any(content[:5000])


def test_a_picture_without_leads_is_refused():
    noise = np.random.default_rng(0).integers(0, 255, (400, 500, 3), dtype=np.uint8)
    assert code_of(saved(Image.fromarray(noise), "PNG")) in ("no_grid", "no_traces")


def test_a_notebook_shows_the_picture_and_the_notes(signal):
    shown = Ecg(signal.astype(np.float32), RATE_HZ, "synthetic", notes=("Speed < 50 is assumed.",))._repr_html_()
    assert 'src="data:image/png;base64,iVBOR' in shown
    assert "Speed &lt; 50 is assumed." in shown
