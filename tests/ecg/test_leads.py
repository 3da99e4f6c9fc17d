import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.ecg.leads import LEADS, twelve_leads


@given(st.lists(st.floats(-5, 5), min_size=8, max_size=8))
def test_limb_leads_obey_einthoven_and_goldberger(values):
    lead = dict(zip(LEADS, twelve_leads(np.array(values)[:, None])[:, 0], strict=True))
    assert lead["I"] + lead["III"] == pytest.approx(lead["II"], abs=1e-12)
    assert lead["aVR"] + lead["aVL"] + lead["aVF"] == pytest.approx(0, abs=1e-12)
    assert lead["aVF"] == pytest.approx((lead["II"] + lead["III"]) / 2, abs=1e-12)
    assert lead["aVL"] == pytest.approx((lead["I"] - lead["III"]) / 2, abs=1e-12)


def test_chest_leads_are_kept_in_order():
    signal = twelve_leads(np.arange(8.0)[:, None])
    assert signal[6:, 0].tolist() == [2, 3, 4, 5, 6, 7]


def test_seven_leads_are_refused():
    with pytest.raises(ValueError, match="needed: \\[8, samples\\]"):
        twelve_leads(np.zeros((7, 10)))
