"""The report as a reader gets it: what is visible at first, folding, enlarging, values, theme, print."""

import csv
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cardiograph.audit.findings import Audit
from cardiograph.report.audit import audit_page

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parent.parent / "service" / "web" / "vendored" / "axe.min.js"
MOST_WORDS = 1200
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Visible(HTMLParser):
    """Words that a browser shows of a page as it is delivered: closed sections show their summary only."""

    def __init__(self, html):
        super().__init__()
        self.open, self.words = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            names = dict(attrs)
            closed = tag in ("style", "script", "dialog", "head", "title") or "hidden" in names
            self.open.append((tag, closed, tag == "details" and "open" not in names))

    def handle_endtag(self, tag):
        if tag not in VOID:
            while self.open and self.open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        hidden = any(closed for _, closed, _ in self.open)
        folded = any(
            fold and not any(tag == "summary" for tag, _, _ in self.open[place + 1 : place + 2])
            for place, (_, _, fold) in enumerate(self.open)
        )
        if not hidden and not folded:
            self.words += data.split()


def test_the_parser_counts_what_a_browser_shows():
    html = "<p>one two</p><details><summary>three</summary><p>four</p></details><details open><p>five</p></details>"
    assert Visible(html).words == ["one", "two", "three", "five"]


def test_at_most_1200_words_are_visible_at_first(report):
    assert 200 < len(Visible(report).words) <= MOST_WORDS


def test_the_first_screen_is_the_summary_and_every_section_is_in_the_contents(report):
    main = report[report.index("<main>") :]
    assert main.index('id="headline"') < main.index("<details class=")
    listed = re.findall(r'<li><a href="#([\w-]+)">', report)
    sections = re.findall(r'<section id="([\w-]+)"', report)
    assert listed == sections and len(sections) > 12


def test_an_audit_has_the_same_frame_and_counts_what_differs():
    audit = Audit(
        "pages", 32, 32, 4, {"ill": {"files": 16, "different": 2}, "well": {"files": 16, "different": 2}}, "none", ()
    )
    page = audit_page(audit)
    assert "4 images, each 8 times on average; ill: 2 images, each 8 times on average" in page
    assert 'class="panel"' in page and "data-fold-all" in page


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium: install Debian's package `chromium`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, report, tmp_path):
    """Opens the report; a request, an error or a message of the console fails the test."""
    (tmp_path / "report.html").write_text(report)
    wrong, pages = [], []

    def opened(**options):
        page = browser.new_page(**options)
        pages.append(page)
        page.set_default_timeout(120_000)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        page.goto((tmp_path / "report.html").as_uri())
        return page

    yield opened
    for page in pages:
        page.close()
    assert wrong == []


@pytest.mark.slow
def test_sections_fold_by_the_contents_by_keyboard_and_all_at_once(visit):
    page = visit()
    count = "document.querySelectorAll('details.fold[open]').length"
    page.click("nav a[href='#subgroups']")
    page.wait_for_selector("#subgroups > details[open]")
    page.focus("#tripod summary")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tripod > details[open]")
    folds = page.evaluate("document.querySelectorAll('details.fold').length")
    page.click("text=Open all sections")
    assert page.evaluate(count) == folds
    page.click("text=Close all sections")
    assert page.evaluate(count) == 0
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(count) == folds
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(count) == 0


@pytest.mark.slow
def test_a_figure_is_enlarged_shows_values_and_is_saved_as_csv(visit, pictures):
    page = visit()
    figure = page.locator("#discrimination figure").first
    with page.expect_download() as saved:
        figure.locator("text=CSV").click()
    assert saved.value.suggested_filename == "roc.csv"
    rows = list(csv.reader(Path(saved.value.path()).read_text().splitlines()))
    assert len(rows) == 1 + len(pictures["roc"].values.rows)
    figure.locator("text=Enlarge").click()
    assert page.is_visible("dialog .chart")
    page.locator("dialog .spot").nth(3).hover(force=True)
    assert re.search(r"1 - specificity [\d.]+, sensitivity [\d.]+", page.inner_text("dialog .tip"))
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog .chart")


@pytest.mark.slow
def test_no_box_is_white_on_a_dark_page(visit):
    page = visit(color_scheme="dark", viewport={"width": 1280, "height": 800})
    page.click("text=Open all sections")
    light = page.evaluate(
        """() => {
          const light = (text) => { const found = text.match(/[\\d.]+/g).map(Number);
            return found.length >= 3 && (found[3] ?? 1) > 0.2 && Math.min(...found.slice(0, 3)) > 200; };
          const boxes = [...document.querySelectorAll('main *:not(svg *)')].filter(
            (each) => light(getComputedStyle(each).backgroundColor));
          const papers = [...document.querySelectorAll('svg.chart > g > g:first-child path')].filter(
            (each) => light(getComputedStyle(each).fill));
          return [...boxes, ...papers].map((each) => each.outerHTML.slice(0, 120));
        }"""
    )
    assert light == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_open_report(visit, scheme):
    page = visit(color_scheme=scheme)
    page.click("text=Open all sections")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = page.evaluate("options => axe.run(document, options)", options)
    assert len(found["passes"]) > 20
    assert [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found["violations"]] == []
