"""Pages that lie upside down or are mirrored are recognised; upright and doubtful pages are kept."""

import numpy as np
import pytest

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.draw.paper import SIX_BY_TWO_ROWS, PaperLayout, draw_page
from cardiograph.imaging.ecg_check import find_traces
from cardiograph.imaging.grid import select_view
from cardiograph.imaging.orientation import MIN_BEATS, lie_of, log_odds, read_signs
from cardiograph.imaging.prepare import prepare_page

TURNS = {
    None: lambda pixels: pixels,
    "upside_down": lambda pixels: pixels[::-1, ::-1],
    "left_right": lambda pixels: pixels[:, ::-1],
    "top_bottom": lambda pixels: pixels[::-1],
}
# I II III aVR aVL aVF V1 to V6: heights of P, Q, R, S and T in mV
R = np.array([0.7, 1.0, 0.5, -0.8, 0.3, 0.7, 0.2, 0.4, 0.7, 1.2, 1.3, 1.0])
S = np.array([0.1, 0.2, 0.2, 0.0, 0.1, 0.2, 1.0, 1.3, 0.9, 0.5, 0.2, 0.1])
T = np.array([0.25, 0.3, 0.15, -0.25, 0.1, 0.2, -0.05, 0.4, 0.45, 0.4, 0.35, 0.25])


def heart(*, rate_hz=1.2, size=1.0, t_size=1.0, qrs_width=0.011):
    """[12, 5000] mV at 500 Hz: sinus rhythm with a T wave that rises slower than it falls."""
    since = (np.arange(5000) / 500) % (1 / rate_hz) - 0.3  # seconds after R

    def wave(at, before, after=None):
        width = np.where(since < at, before, after or before)
        return np.exp(-0.5 * ((since - at) / width) ** 2)

    p = np.outer(0.12 * np.sign(T), wave(-0.16, 0.02))
    qrs = np.outer(R, wave(0.0, qrs_width)) - np.outer(S, wave(2.6 * qrs_width, qrs_width))
    t = t_size * np.outer(T, wave(0.28, 0.055, 0.035))
    return size * (p + qrs + t)


def drawn(signal, **layout):
    return draw_page(signal, 500, layout=PaperLayout(**layout)).pixels


def lie(pixels):
    _, view = select_view(np.ascontiguousarray(pixels), PagesConfig())
    return lie_of(find_traces(view))


@pytest.mark.parametrize("expected", TURNS)
@pytest.mark.parametrize("layout", [{}, {"rows": SIX_BY_TWO_ROWS, "row_mm": 25}, {"pixels_per_mm": 8}])
def test_a_drawn_page_is_recognised_in_each_orientation(layout, expected):
    assert lie(TURNS[expected](drawn(heart(), **layout))) == expected


@pytest.mark.parametrize("expected", TURNS)
def test_a_page_without_pulses_is_recognised_by_its_beats(expected):
    pixels = drawn(heart())
    left = 6 * 4
    pixels[140:-60, left + 4 : left + 38] = pixels[140:-60, left + 44 : left + 78]  # the pulse becomes trace and paper
    assert lie(TURNS[expected](pixels)) == expected


def test_mirroring_changes_the_sign_of_what_it_should():
    _, view = select_view(drawn(heart()), PagesConfig())
    upright = read_signs(find_traces(view))
    assert upright.beats >= MIN_BEATS
    signs = {"upside_down": (-1, -1, 1), "left_right": (-1, 1, -1), "top_bottom": (1, -1, -1)}
    for turn, (time, polarity, both) in signs.items():
        turned = read_signs(find_traces(np.ascontiguousarray(TURNS[turn](view))))
        for name, sign in (("time", time), ("polarity", polarity), ("both", both)):
            np.testing.assert_allclose(getattr(turned, name), sign * getattr(upright, name), atol=0.15)


@pytest.mark.parametrize(
    "signal",
    [
        heart(size=0.15),  # low voltage
        heart(rate_hz=3.2, t_size=0),  # fast, and waves cannot be distinguished
        np.outer(R, np.sin(2 * np.pi * 4 * np.arange(5000) / 500)),  # ventricular tachycardia
        0.2 * np.cumsum(np.random.default_rng(0).standard_normal((12, 5000)), axis=1) / 20,  # no beats
        np.zeros((12, 5000)),
    ],
    ids=["low voltage", "fast", "tachycardia", "no beats", "flat"],
)
def test_a_doubtful_page_is_not_refused_as_mirrored(signal):
    page = drawn(np.clip(signal, -1.5, 1.5))
    assert lie(page) is None
    assert lie(page[:, ::-1]) is None


def test_beats_that_say_nothing_leave_the_pulses_to_decide():
    page = drawn(np.zeros((12, 5000)))
    _, view = select_view(page, PagesConfig())
    assert max(log_odds(find_traces(view)).values()) < 4
    assert lie(page[::-1, ::-1]) == "upside_down"


def test_shared_pages_are_recognised_in_each_orientation(shared):
    from PIL import Image

    data = shared / "data"
    files = [
        *sorted((data / "ecg-pages" / "images").glob("*.jpg"))[:8],
        *sorted((data / "pages-ptb-xl").rglob("*.png"))[:3],
    ]
    found = dict.fromkeys(TURNS, 0)
    for file in files:
        pixels = np.asarray(Image.open(file).convert("RGB"))
        for expected, turn in TURNS.items():
            found[expected] += lie(turn(pixels)) == expected
    assert found[None] == len(files)
    assert all(count >= 0.8 * len(files) for count in found.values()), found


def test_photographs_that_lie_upright_are_kept(shared):
    config = PagesConfig(view="whole")
    codes = set()
    for file in sorted((shared / "data" / "pages-photographed").iterdir()):
        doubt = prepare_page(file, name=file.name, config=config).doubt
        codes.add(doubt.code if doubt else None)
    assert codes <= {None, "not_an_ecg"}
