"""The pages in a browser in French, and in a language that is written from right to left."""

import pytest
from tests.service.test_monitoring import store
from tests.service.web.test_browser import (
    DARK,
    PHONE,
    address,
    ask,
    audited,
    browser,
    fill,
    listening,
    probability,
    pytestmark,
    unsure,
    visit,
)

__all__ = ["address", "browser", "pytestmark", "unsure", "visit"]  # fixtures and marks of the other module

FRENCH = {"locale": "fr-FR"}
EDGES = (
    "selector => { const box = document.querySelector(selector).getBoundingClientRect();"
    " return [box.left, document.documentElement.clientWidth - box.right]; }"
)
"""Distances of an element from the left and the right edge of the window."""


def switch(window, language):
    """Choose another language at the top of the page."""
    window.locator(".languages").get_by_text(language, exact=True).click()
    window.wait_for_selector(f"html[lang={language[:2].lower()}]")


@pytest.fixture(scope="module")
def watched(finished_run, predictor, tmp_path_factory):
    """A server with predictions of four weeks, whose patients have grown older, and their outcomes."""
    with listening(finished_run, predictor, tmp_path_factory.mktemp("watched")) as (found, records):
        store(records, finished_run, predictor.sha256, shift=45, count=60, days=28)
        yield found


@pytest.mark.parametrize("device", [{}, PHONE])
def test_every_page_in_french_is_accessible_and_fits(visit, unsure, page, values, device):
    window, found = visit(unsure, **FRENCH, **device), {}

    def check(name):
        wide = window.evaluate("document.documentElement.scrollWidth - innerWidth")
        found[name] = audited(window) + [f"{wide} px too wide"] * (wide > 0)

    check("form")
    ask(
        window,
        {name: str(value).replace(".", ",") for name, value in values.items()} | {"age": 700},
        page,
        wait="#faults",
    )
    assert "valeurs admises" in window.inner_text("#fault-age")
    assert window.input_value("#value-ef") == "0,34"
    check("faults")
    ask(window, {"age": 70})
    assert window.inner_text("#probability").endswith("\N{NARROW NO-BREAK SPACE}%")
    assert "L’explication est affichée" in window.inner_text("#status")
    check("answer")
    for path in ("report", "graph", "predictions", "example", "nothing"):
        window.goto(f"{unsure}/{path}")
        if path == "graph":
            window.click("[data-patient-map][data-ready] summary")
            assert "Partie de la répartition" in window.inner_text("[data-map=rows] table")
        check(path)
    assert not any(found.values()), found


@pytest.mark.parametrize("options", [{}, PHONE, DARK], ids=["desktop", "phone", "dark"])
def test_a_filled_monitoring_page_in_french_is_accessible_and_fits(visit, watched, options):
    window = visit(f"{watched}/monitoring", **FRENCH, **options)
    assert window.inner_text("#monitoring-title") == "Surveillance"
    assert window.locator(".alerts li").count() >= 2
    assert window.locator(".watch table tbody tr").count() >= 8
    assert audited(window) == []
    assert window.evaluate("document.documentElement.scrollWidth - innerWidth") == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_the_switch_keeps_what_was_typed(visit, address, predictor, page, values, scripts):
    window = visit(address, java_script_enabled=scripts)
    fill(window, {"ef": "0.34", "sbp": "132"}, page)
    switch(window, "Français")
    assert window.locator("#faults").count() == 0, "nothing was sent to be scored yet"
    assert (window.input_value("#value-ef"), window.input_value("#value-sbp")) == ("0,34", "132")
    ask(window, values | {"ef": "0,34", "age": 700}, wait="#faults")
    switch(window, "English")
    assert window.get_attribute("html", "lang") == "en"
    assert "allowed 0-120 years" in window.inner_text("#fault-age")
    assert (window.input_value("#value-ef"), window.input_value("#value-age")) == ("0.34", "700")
    window.fill("#value-age", "70")
    window.press("#value-age", "Enter")
    window.wait_for_selector("#answer")
    assert probability(window) == pytest.approx(predictor.predict(page, values).probability, abs=1e-12)
    switch(window, "Français")
    assert window.locator("#answer").count() == 1


def test_the_switch_changes_the_language_and_keeps_the_answer(visit, address, values):
    window = ask(visit(address), values)
    given = probability(window)
    window.click(".languages a")
    assert window.get_attribute("html", "lang") == "fr"
    assert window.inner_text("#why-title") == "Explication"
    assert probability(window) == given
    window.goto(address)
    assert window.get_attribute("html", "lang") == "fr"


def test_a_language_from_right_to_left_mirrors_the_layout(
    pseudo, visit, finished_run, predictor, page, values, tmp_path
):
    with listening(finished_run, predictor, tmp_path) as (url, _):
        ltr = ask(visit(url, viewport={"width": 1280, "height": 900}), values, page)
        rtl = ask(visit(url, viewport={"width": 1280, "height": 900}, locale="ar"), values, page)
        assert rtl.get_attribute("html", "dir") == "rtl"
        rtl.screenshot(path=tmp_path / "rtl.png", full_page=True)
        for each in (".main", ".aside", ".answer", ".says", ".aside .drop", "#why .effects", ".similar"):
            left, right = ltr.evaluate(EDGES, each)
            assert rtl.evaluate(EDGES, each) == pytest.approx([right, left], abs=1), each
        for each, word in ((".name", "right"), (".research", "left")):
            edges = dict(zip(("left", "right"), rtl.evaluate(EDGES, each), strict=True))
            assert edges[word] == min(edges.values())
        assert rtl.evaluate("getComputedStyle(document.querySelector('.gauge')).direction") == "ltr"
        assert rtl.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
        assert audited(rtl) == []
        phone = ask(visit(url, locale="ar", **PHONE), values, page)
        assert phone.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
