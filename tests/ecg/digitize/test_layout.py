"""Rhythm strips are named by the leads above them, unless those have no sure name themselves."""

import numpy as np

from cardiograph.ecg.digitize.labels import Label
from cardiograph.ecg.digitize.layout import Placement, _strip
from cardiograph.ecg.digitize.traces import Trace
from cardiograph.ecg.leads import LEADS

COLUMNS = np.arange(2000)
BEATS = 40 * np.exp(-(((COLUMNS % 160 - 80) / 6.0) ** 2))


def printed(lead, *, top, score=0.95):
    """Name at the beginning of a row."""
    return Label(lead, score, np.where(np.array(LEADS) == lead, score, 0.3), 8, top, 40, top + 20)


def strip_below(*leads, names=()):
    """Placement of a strip that repeats the row above it, whose columns hold these leads."""
    traces = (Trace(100.0, 100 - BEATS), Trace(300.0, 300 - BEATS))
    edges = np.linspace(0, len(COLUMNS), len(leads) + 1).astype(int)
    above = [Placement(lead, 0, edges[at], edges[at + 1], 0.9) for at, lead in enumerate(leads)]
    return _strip(traces[1], 1, traces, above, names)


def test_a_strip_has_the_name_of_the_lead_that_it_repeats():
    assert strip_below("II").lead == "II"


def test_a_lead_without_a_name_names_no_strip():
    assert strip_below("").lead == ""
    assert strip_below("", "V1").lead == "V1"


def test_a_printed_name_decides_over_the_likeness_of_the_signal():
    assert strip_below("II", "V5", names=(printed("V5", top=250),)).lead == "V5"
    assert strip_below("II", names=(printed("V5", top=250, score=0.6),)).lead == "II"


def test_a_name_belongs_to_the_nearest_row():
    assert strip_below("II", names=(printed("V5", top=150),)).lead == "II"
