"""The pages in a browser in French, and in a language that is written from right to left."""

import pytest
from tests.service.web.test_browser import (
    PHONE,
    address,
    ask,
    audited,
    browser,
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
