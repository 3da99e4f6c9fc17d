import numpy as np
import pytest

from cardiograph.ecg.draw.paper import SIX_BY_TWO_ROWS, TWELVE_BY_ONE_ROWS, PaperLayout, draw_page
from cardiograph.ecg.leads import LEADS, twelve_leads

RATE = 500.0
FLAT = np.zeros((12, 5000))
LAYOUTS = {
    "3x4": PaperLayout(),
    "6x2": PaperLayout(rows=SIX_BY_TWO_ROWS, row_mm=26),
    "12x1": PaperLayout(rows=TWELVE_BY_ONE_ROWS, row_mm=16, margins_mm=(10, 20, 5, 8)),
    "fine": PaperLayout(pixels_per_mm=6, margins_mm=(12, 40, 3, 3)),
    "dots": PaperLayout(grid="dots"),
}


def _darkness(page):
    return 255.0 - page.pixels.astype(float).min(2)


def _ink(page):
    """[height, width] share of ink: the grid is bright in red, the trace is not."""
    return np.clip((190 - page.pixels[:, :, 0].astype(float)) / 190, 0, 1)


def _height_of_trace(page, column, rows):
    ink = _ink(page)[rows, column]
    return float((ink * (np.arange(rows.start, rows.stop) + 0.5)).sum() / ink.sum())


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_grid_lines_stand_five_millimetres_apart_from_edge_to_edge(layout):
    page = draw_page(FLAT, RATE, layout=layout)
    left, top, right, bottom = layout.grid_box
    assert page.grid_box == (left, top, right, bottom)
    scale = layout.pixels_per_mm
    # a band near the top with no trace: the strongest columns are the 5 mm lines
    band = _darkness(page)[round(top + 1.2 * scale) : round(top + 3.8 * scale)].mean(0)
    centres = left + 5 * scale * np.arange(1, round((right - left) / (5 * scale)))
    for centre in centres:
        near = slice(round(centre) - 2, round(centre) + 2)
        weight = band[near]
        offset = (weight * (np.arange(round(centre) - 2, round(centre) + 2) + 0.5)).sum() / weight.sum()
        assert abs(offset - centre) < 0.5


def test_one_millimetre_lines_are_drawn():
    page = draw_page(FLAT, RATE)
    left, top, *_ = page.grid_box
    profile = _darkness(page)[round(top) + 5 : round(top) + 15, :].mean(0)[round(left) + 4 : round(left) + 804]
    spectrum = np.abs(np.fft.rfft(profile - profile.mean()))
    assert {int(k) for k in np.argsort(spectrum)[-8:]} >= {200}  # 800 pixels = 200 mm: 200 cycles


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_calibration_pulse_is_one_millivolt_high_and_a_fifth_of_a_second_wide(layout):
    page = draw_page(FLAT, RATE, layout=layout)
    x0, y0 = layout.trace_origin_mm(0)
    scale = layout.pixels_per_mm
    rows = slice(round((y0 - 11) * scale), round((y0 + 2) * scale))
    base = _height_of_trace(page, round((x0 - 8.5) * scale), rows)
    top = _height_of_trace(page, round((x0 - 5.5) * scale), slice(rows.start, round((y0 - 8) * scale)))
    assert base == pytest.approx(y0 * scale, abs=0.5)
    assert base - top == pytest.approx(10 * scale, abs=0.5)
    row = _ink(page)[round((y0 - 5) * scale), round((x0 - 9.5) * scale) : round((x0 - 1) * scale)]
    middle = len(row) // 2
    place = np.arange(len(row)) + 0.5
    flanks = [(row * place)[part].sum() / row[part].sum() for part in (slice(0, middle), slice(middle, None))]
    assert flanks[1] - flanks[0] == pytest.approx(5 * scale, abs=0.5)


def test_a_spike_stands_where_its_time_says_in_every_row():
    signal = FLAT.copy()
    signal[:, 600:604] = 1.0  # 1.2 s
    signal[:, 4000:4004] = 1.0  # 8.0 s
    page = draw_page(signal, RATE, layout=PaperLayout(rows=(("I",), ("II",))))
    for row in range(2):
        x0, y0 = PaperLayout(rows=(("I",), ("II",))).trace_origin_mm(row)
        strip = _ink(page)[round((y0 - 8) * 4) : round((y0 - 2) * 4), round(x0 * 4) + 60 :]
        columns = np.flatnonzero(strip.mean(0) > 0.3) + 0.5 + 60
        assert columns[0] == pytest.approx(1.2 * 25 * 4, abs=1.5)
        assert columns[-1] == pytest.approx(8.006 * 25 * 4, abs=1.5)


def test_einthoven_holds_on_the_drawn_pixels():
    time = np.arange(5000) / RATE
    eight = np.stack([0.3 * np.sin(2 * np.pi * 0.4 * time), 0.5 * np.cos(2 * np.pi * 0.3 * time)] + [0 * time] * 6)
    layout = PaperLayout(rows=(("I",), ("II",), ("III",)))
    page = draw_page(twelve_leads(eight), RATE, layout=layout)
    pixel = layout.pixels_per_mm
    for second in (1.0, 3.3, 6.1, 9.2):
        millivolt = []
        for row in range(3):
            x0, y0 = layout.trace_origin_mm(row)
            rows = slice(round((y0 - 12) * pixel), round((y0 + 12) * pixel))
            height = _height_of_trace(page, round((x0 + 25 * second) * pixel), rows)
            millivolt.append((y0 * pixel - height) / (10 * pixel))
        one, two, three = millivolt
        assert one + three == pytest.approx(two, abs=0.02)
        assert two == pytest.approx(0.5 * np.cos(2 * np.pi * 0.3 * second), abs=0.02)


def test_columns_of_a_row_run_on_in_time():
    """Standard layout: aVR shows the seconds 2.5 to 5, not the first ones."""
    signal = FLAT.copy()
    signal[LEADS.index("aVR"), 2000] = 1.0  # 4.0 s
    page = draw_page(signal, RATE)
    x0, y0 = PaperLayout().trace_origin_mm(0)
    strip = _ink(page)[round((y0 - 9) * 4) : round((y0 - 5) * 4), round(x0 * 4) + 50 : round((x0 + 120) * 4)]
    assert np.argmax(strip.mean(0)) + 50.5 == pytest.approx(4.0 * 25 * 4, abs=1.5)


def test_a_trace_never_leaves_the_grid():
    signal = np.full((12, 5000), 30.0) * np.sign(np.sin(np.arange(5000) / 40))
    page, empty = draw_page(signal, RATE), draw_page(FLAT, RATE)
    left, top, right, bottom = (round(edge) for edge in page.grid_box)
    outside = np.ones(page.pixels.shape[:2], bool)
    outside[top:bottom, left:right] = False
    assert np.array_equal(page.pixels[outside], empty.pixels[outside])


def test_header_does_not_reach_the_grid():
    page = draw_page(FLAT, RATE, header=("A TITLE", *["line"] * 30))
    plain = draw_page(FLAT, RATE)
    top = int(page.grid_box[1])
    assert np.array_equal(page.pixels[top:], plain.pixels[top:])
    assert not np.array_equal(page.pixels[:top], plain.pixels[:top])


@pytest.mark.parametrize(
    ("signal", "rule"),
    [
        (np.zeros((8, 5000)), "\\[12, at least 5000\\]"),
        (np.zeros((12, 4999)), "at least 5000"),
        (np.full((12, 5000), np.nan), "finite"),
        (np.full((12, 5000), np.inf), "finite"),
    ],
)
def test_an_unusable_signal_is_refused(signal, rule):
    with pytest.raises(ValueError, match=rule):
        draw_page(signal, RATE)


def test_an_unknown_lead_is_refused():
    with pytest.raises(ValueError, match="V9"):
        PaperLayout(rows=(("V9",),))


@pytest.mark.parametrize("wrong", [{"row_mm": 8}, {"pixels_per_mm": 0.5}, {"margins_mm": (0, -1, 0, 0)}])
def test_an_impossible_layout_is_refused(wrong):
    with pytest.raises(ValueError, match="a layout needs"):
        PaperLayout(**wrong)


def test_an_empty_page_is_not_changed_by_drawing_on_its_copy():
    before = draw_page(FLAT, RATE).pixels
    draw_page(np.ones((12, 5000)), RATE, header=("X",))
    assert np.array_equal(draw_page(FLAT, RATE).pixels, before)
