"""Warning on swapped limb electrodes."""

from __future__ import annotations

import numpy as np

from cardiograph.ecg.measure.shapes import Shape, Unmeasurable

FLAT_SHARE = 0.12
"""QRS amplitude of a limb lead, as a share of the largest, below which the lead shows no potential difference."""

MIN_P_MV = 0.015
"""Depth of a P wave in lead I from which it counts as inverted."""


def limb_swap_warning(shape: Shape) -> tuple[str, ...]:
    """Return a sentence if the limb electrodes are probably swapped, nothing otherwise.

    Swapped arms invert lead I: P wave and QRS complex are negative in lead I, and QRS complex of lead I is opposite to
    that of V6. A swap of an arm with the right leg leaves lead II (right arm) or lead III (left arm) almost flat.
    Swaps of the left arm with the left leg cannot be distinguished from a normal ECG and give no warning.

    Source: Kligfield et al., J. Am. Coll. Cardiol. 49 (2007) 1109; Batchvarov et al., Europace 9 (2007) 1081.
    """
    try:
        size = {lead: shape.peak_to_peak(lead) for lead in ("I", "II", "III")}
        onset, end = shape.at("qrs_onset"), shape.at("qrs_end")
        one, six = (shape.part(lead, onset, end) for lead in ("I", "V6"))
    except Unmeasurable:
        return ()
    largest = max(size.values())
    for lead, arm in (("II", "right"), ("III", "left")):
        if size[lead] < min(FLAT_SHARE * largest, 0.1):
            return (f"Lead {lead} is almost flat: the electrodes of the {arm} arm and the right leg may be swapped.",)
    try:
        p = shape.part("I", shape.at("p_onset"), shape.at("p_end"))
    except Unmeasurable:
        return ()
    height = p - np.linspace(p[0], p[-1], len(p))
    if height.sum() < 0 and -height.min() > MIN_P_MV and one.sum() < 0 and float(np.corrcoef(one, six)[0, 1]) < -0.5:
        return ("P wave and QRS complex are inverted in lead I: the arm electrodes may be swapped.",)
    return ()
