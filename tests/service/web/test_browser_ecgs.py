"""Stored ECGs in a browser: next to this patient's on the answer page, and of a chosen record on the map."""

import pytest
from tests.service.web.test_browser import PHONE, ask, audited, browser, listening, pytestmark, visit
from tests.service.web.test_ecgs import ecg_predictor, ecg_run, without

__all__ = [
    "browser",
    "ecg_predictor",
    "ecg_run",
    "pytestmark",
    "visit",
    "without",
]  # fixtures and marks of other modules


@pytest.fixture(scope="module")
def showing(ecg_run, ecg_predictor, tmp_path_factory):
    with listening(ecg_run, ecg_predictor, tmp_path_factory.mktemp("showing")) as (found, _):
        yield found


def scale(window, place):
    """Pixels of a millimetre of paper in a drawing."""
    return window.evaluate("each => each.getScreenCTM().a", window.query_selector(place))


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_similar_ecgs_have_the_scale_of_this_one_and_open_by_keyboard(visit, showing, page, values, device):
    window = ask(visit(showing, **device), values, page)
    assert scale(window, ".ecgs .own svg") == pytest.approx(scale(window, ".ecgs details[open] svg"), rel=0.01)
    second = window.locator(".ecgs details").nth(1)
    assert second.get_attribute("open") is None
    second.locator("summary").press("Enter")
    assert second.locator("svg").is_visible()
    assert audited(window) == []
    assert window.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_chosen_record_shows_its_ecg(visit, showing, ecg_predictor, without):
    window = visit(f"{showing}/graph")
    window.wait_for_selector("[data-patient-map][data-ready]")
    names = ecg_predictor.bundle.reference.record_ids
    record = names[2]
    window.fill("[data-map=find]", record)
    window.wait_for_selector(".map-ecg svg")
    assert f"ECG of record {record}:" in window.get_attribute(".map-ecg svg", "aria-label")
    assert audited(window) == []
    window.fill("[data-map=find]", names[without])
    window.wait_for_selector("text=No ECG of this record is stored.")
    tested = window.evaluate("fetch('/graph/content').then(a => a.json()).then(m => m.records[m.part.indexOf(2)])")
    window.fill("[data-map=find]", tested)
    window.wait_for_selector("text=ECGs of reference records only are stored.")
