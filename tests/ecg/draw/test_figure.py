import numpy as np
import pytest

from cardiograph.ecg.draw.figure import ecg_figure, figure_bytes
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.measure import measure
from cardiograph.ecg.readers import read_ecg
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart

MM = 25.4


@pytest.fixture(scope="module")
def ecg():
    return Ecg(record_ecg(Heart(), np.random.default_rng(1)).astype(np.float32), RATE_HZ, "synthetic")


@pytest.fixture(scope="module")
def measured(ecg):
    return measure(ecg)


def traces(figure):
    """Lead name -> x and y in mm of the first trace under that name."""
    axes = figure.axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) > 100]
    names = [text.get_text() for text in axes.texts if text.get_text() in LEADS]
    return {name: (line.get_xdata(), line.get_ydata()) for name, line in reversed([*zip(names, lines, strict=True)])}


def test_traces_are_true_to_scale(ecg, measured):
    figure = ecg_figure(ecg, measured)
    x, y = traces(figure)["V4"]
    part = ecg.lead("V4")[3750:5000]
    assert np.ptp(x) == pytest.approx(25 * 1249 / RATE_HZ)
    assert np.ptp(y) == pytest.approx(10 * np.ptp(part), rel=1e-5)
    width = figure.axes[0].get_xlim()
    assert figure.get_size_inches()[0] * MM == pytest.approx(width[1] - width[0])


def test_header_shows_measurements_and_title(ecg, measured):
    texts = [text.get_text() for text in ecg_figure(ecg, measured, title="patient $4").axes[0].texts]
    assert "patient $4" in texts
    assert any(f"Rate {measured['heart_rate'].value:.0f} 1/min" in text for text in texts)


def test_a_lead_of_another_time_is_shown_where_it_was_recorded(ecg, measured):
    signal = ecg.signal.copy()
    signal[LEADS.index("V4")] = np.nan
    signal[LEADS.index("V4"), 1000:2250] = ecg.lead("V4")[1000:2250]
    signal[LEADS.index("V5")] = np.nan
    drawn = traces(ecg_figure(ecg.replace(signal=signal), measured))
    assert np.isfinite(drawn["V4"][1]).all()
    assert not np.isfinite(drawn["V5"][1]).any()


@pytest.mark.parametrize(("file_format", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_files_are_reproducible(ecg, measured, file_format, start):
    once, again = (figure_bytes(ecg_figure(ecg, measured), file_format) for _ in range(2))
    assert once.startswith(start)
    assert once == again


def test_the_voltages_of_a_pdf_can_be_read_back(ecg, measured):
    read = read_ecg(figure_bytes(ecg_figure(ecg, measured), "pdf"))
    for number, lead in enumerate(LEADS):
        if lead == "II":
            continue  # the rhythm strip
        shown = np.flatnonzero(np.isfinite(read.lead(lead)))
        assert number // 3 * 1250 == pytest.approx(shown[0], abs=2)
        difference = read.lead(lead)[shown] - ecg.lead(lead)[shown]
        np.testing.assert_allclose(difference, np.median(difference), atol=1e-3)
