"""Lines that are no leads are left out where an arrangement fits surely without them."""

import numpy as np
import pytest

from cardiograph.ecg.digitize.ink import Ink
from cardiograph.ecg.digitize.labels import Label
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM
from cardiograph.ecg.digitize.strangers import find_leads
from cardiograph.ecg.digitize.traces import Trace
from cardiograph.ecg.draw.paper import STANDARD_ROWS
from cardiograph.ecg.leads import LEADS
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart

EMPTY = np.zeros((8, 8), np.uint8)
INK = Ink(EMPTY.astype(np.float32), EMPTY, EMPTY, (), (), EMPTY)


def row(values, number):
    """A row of values in mV, 25 mm below the one before it."""
    heights = 25 * PIXELS_PER_MM * (number + 1) - 10 * PIXELS_PER_MM * np.asarray(values, float)
    return Trace(float(np.median(heights)), heights)


@pytest.fixture(scope="module")
def printed():
    """Values of the rows of a standard page, one for each column."""
    signal = record_ecg(Heart(), np.random.default_rng(4))
    columns = (np.arange(2000) / (25 * PIXELS_PER_MM) * RATE_HZ).astype(int)
    rows = []
    for leads in STANDARD_ROWS:
        which = [LEADS.index(lead) for lead in np.repeat(leads, 2000 // len(leads))]
        rows.append(signal[which, columns])
    return rows


@pytest.fixture
def stranger():
    return 0.03 * np.cumsum(np.random.default_rng(1).standard_normal(2000))


def name_of_row(lead, number):
    """Printed name above the beginning of a row."""
    top = 25 * PIXELS_PER_MM * (number + 1) - 100
    return Label(lead, 0.9, np.where(np.array(LEADS) == lead, 0.9, 0.3), 8, top, 20, top + 20)


def found(rows, *names):
    traces = tuple(row(values, number) for number, values in enumerate(rows))
    kept, layout = find_leads(traces, INK, names)
    return [traces.index(trace) for trace in kept], layout


def test_a_page_without_strangers_keeps_every_row(printed):
    kept, layout = found(printed)
    assert kept == [0, 1, 2, 3]
    assert layout.name == "3 x 4 + 1"
    assert layout.placements[-1].lead == "II"


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_line_that_is_no_lead_is_left_out(printed, stranger, place):
    rows = [*printed[:place], stranger, *printed[place:]]
    kept, layout = found(rows)
    assert kept == [number for number in range(5) if number != place]
    assert [each.lead for each in layout.placements[:4]] == ["I", "aVR", "V1", "V4"]


def test_rows_without_a_sure_arrangement_are_all_kept(stranger):
    kept, _ = found([np.roll(stranger, 300 * number) for number in range(6)])
    assert kept == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("place", [0, 1])
def test_a_named_strip_beside_a_line_that_does_not_beat_is_a_single_strip(printed, stranger, place):
    rows = [printed[-1], stranger][:: -1 if place else 1]
    kept, layout = found(rows, name_of_row("II", place))
    assert kept == [place]
    assert layout.name == "1 single"
    assert layout.placements[0].lead == "II"


def test_rows_are_no_single_strip_without_a_name_or_if_two_of_them_beat(printed, stranger):
    assert found([printed[-1], stranger])[1] is None
    kept, layout = found([printed[-1], printed[-1]], name_of_row("II", 0))
    assert kept == [0, 1]
    assert layout is None
