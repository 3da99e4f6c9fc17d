"""Rhythm strips are named by the leads above them, unless those have no sure name themselves."""

import numpy as np

from cardiograph.ecg.digitize.layout import Placement, _strip
from cardiograph.ecg.digitize.traces import Trace

COLUMNS = np.arange(2000)
BEATS = 40 * np.exp(-(((COLUMNS % 160 - 80) / 6.0) ** 2))


def strip_below(*leads):
    """Placement of a strip that repeats the row above it, whose columns hold these leads."""
    traces = (Trace(100.0, 100 - BEATS), Trace(300.0, 300 - BEATS))
    edges = np.linspace(0, len(COLUMNS), len(leads) + 1).astype(int)
    above = [Placement(lead, 0, edges[at], edges[at + 1], 0.9) for at, lead in enumerate(leads)]
    return _strip(traces[1], 1, traces, above, ())


def test_a_strip_has_the_name_of_the_lead_that_it_repeats():
    assert strip_below("II").lead == "II"


def test_a_lead_without_a_name_names_no_strip():
    assert strip_below("").lead == ""
    assert strip_below("", "V1").lead == "V1"
