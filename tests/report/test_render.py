import re
import xml.etree.ElementTree as ET
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pytest

from cardiograph.audit.findings import Finding, Probe
from cardiograph.config import EvaluationConfig
from cardiograph.errors import Issue
from cardiograph.evaluate.curves import part_curves, spearman
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.evaluate.results import Inflation, Score
from cardiograph.evaluate.summary import summarise
from cardiograph.inline_scripts import report_script
from cardiograph.report.content import CeilingContent
from cardiograph.report.figure_style import Picture
from cardiograph.report.figures_cohort import patient_graph
from cardiograph.report.figures_scores import roc
from cardiograph.report.render import render_model_card, render_report

HOSTILE = "<script>alert('x')</script> $\\frac{a}$ & \"q\" | `\x07\udcff"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags in order, visible text, addresses; notes tags that are never closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text, self.addresses, self.ids = [], [], [], [], []
        self.feed(html)
        self.words = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


@pytest.fixture
def words_only(monkeypatch):
    """Figures are slow; tests of the text do without."""

    def blank(content):
        names = ("forest", *(("learning",) if content.curves else ()))
        return dict.fromkeys(names, Picture("<svg/>", "", ""))

    monkeypatch.setattr("cardiograph.report.render.draw_figures", blank)


def drawings(html):
    """Every SVG of a report."""
    return re.findall(r"<svg .*?</svg>", html, re.DOTALL)


def scripts(html):
    """Text of every script of a report."""
    return re.findall(r"<script>(.*?)</script>", html, re.DOTALL)


def test_report_is_one_small_file_without_network_or_unknown_script(report):
    page = Page(report)
    assert not page.open
    assert scripts(report) == [report_script()]
    assert all(address.startswith(("data:image/", "data:text/csv;", "#")) for address in page.addresses)
    assert len(page.ids) == len(set(page.ids))
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert not re.search(r"https?://(?!www\.w3\.org|purl\.org|creativecommons)", report)
    assert len(report) < 3_000_000


def test_figures_have_the_same_bytes_each_time(report, content):
    for name, again in (("roc", roc(content)), ("graph", patient_graph(content, content.graph))):
        assert again.inline(f"figure-{name}") in drawings(report)


def test_report_says_what_the_run_found(report, content):
    words = Page(report).words
    auroc = content.metrics.test["auroc"]
    for text in (
        f"{auroc.value:.3f}",
        f"95 % interval {auroc.low:.3f} to {auroc.high:.3f}",
        content.metrics.graph_verdict.sentence,
        f"GCN on {len(content.test)} test records",
        "patient (96 links)",
        "page scans/7.jpg",
        "bnp: 83 gaps filled",
        "14 of 512",
        "bf16 moved 3 of 100 pages",
        "not reduced ejection fraction",
        "Scores count each record once",
        "resamples of whole groups",
        "cardiograph run cohort.csv",
    ):
        assert text in words, text


def test_all_figures_are_svg_that_parses(report):
    assert len(drawings(report)) == 11
    for drawing in drawings(report):
        ET.fromstring(drawing)  # noqa: S314
    assert 'aria-label=""' not in report


def test_hostile_names_are_text_everywhere(changed):
    content = changed(outcome=HOSTILE, title=HOSTILE, notes=(HOSTILE,), issues=(Issue(*[HOSTILE] * 6),))
    html = render_report(content)
    assert scripts(html) == [report_script()]
    assert "alert('x')" in Page(html).words.replace("&#39;", "'")
    assert len(drawings(html)) == 11
    for drawing in drawings(html):
        assert "script" not in {element.tag for element in ET.fromstring(drawing).iter()}  # noqa: S314
        assert "mathdefault" not in drawing
    card = render_model_card(content)
    assert "<script" not in card
    html.encode()
    card.encode()


@pytest.mark.usefixtures("words_only")
def test_simulator_check_is_never_called_performance(changed):
    content = changed(provenance="simulated from the label", outcome="positive class")
    for text in (Page(render_report(content)).words, render_model_card(content)):
        assert "Simulator check: this score measures the simulator" in text
        assert "performance" not in text.lower()
        assert "heart failure" not in text.lower()


@pytest.mark.usefixtures("words_only")
def test_synthetic_benchmark_prints_its_ceiling(changed):
    ceiling = CeilingContent(0.921, 0.905)
    words = Page(render_report(changed(provenance="synthetic patient", ceiling=ceiling))).words
    assert "Synthetic benchmark: AUROC" in words
    assert "The ceiling on these records is 0.921" in words
    assert "reaches 0.905" in words
    assert "whole synthetic population" not in words


@pytest.mark.usefixtures("words_only")
def test_pages_alone_and_clinical_alone_have_no_empty_sections(changed):
    pages = Page(render_report(changed(clinical=None, contact_sheet=None, fusion_shares={})))
    assert "clinical" not in pages.ids
    assert "pages" in pages.ids
    clinical = Page(
        render_report(changed(encoder=None, contact_sheet=None, graph=None, curves={}, notes=(), issues=()))
    )
    assert not {"pages", "graph", "training"} & set(clinical.ids)
    assert "clinical" in clinical.ids
    assert "not used" not in clinical.words.lower()


def test_one_class_among_the_test_records_is_undefined_and_still_renders(content):
    rows = np.flatnonzero(content.test.labels == 0)
    probabilities = {name: values[rows] for name, values in content.test.probabilities.items()}
    test = PartPredictions(content.test.labels[rows], content.test.groups[rows], probabilities)
    metrics = summarise(
        test,
        content.validation,
        content.models,
        provenance="measured",
        settings=EvaluationConfig(bootstrap=100),
        seed=0,
    )
    curves = part_curves(test, "gcn", confidence=0.95)
    healthy = replace(content, test=test, test_curves=(curves,), metrics=metrics, clinical=None, graph=None, curves={})
    words = Page(render_report(healthy)).words
    assert "undefined" in words
    assert "ROC and precision-recall are undefined" in words


def test_the_report_contains_all_score_tables(content, report):
    page = Page(report)
    assert {"calibration", "distributions", "decision-curve", "subgroups", "tripod"} <= set(page.ids)
    parts = content.metrics.brier_parts["gcn"]
    for text in (
        f"Resolution variance of the observed share of positives between bins; higher is better −{parts.resolution:.4f}",
        f"true probabilities would show {parts.ece_by_chance:.3f} on as many records",
        "thirds of the test records",
        "0.10 " + f"{content.metrics.net_benefit.models['gcn'].value[9]:.3f}",
        "yours to write",
    ):
        assert text in page.words, text
    card = render_model_card(content)
    for text in ("## Intended use", "## Provenance", "## Subgroups", "## Limits", "| sex | f |"):
        assert text in card, text
    assert "Not examined: scores in subgroups" not in card


@pytest.mark.usefixtures("words_only")
def test_a_run_without_subgroups_has_no_empty_section(changed, content):
    without = changed(metrics=content.metrics.model_copy(update={"subgroups": {}}))
    assert "subgroups" not in Page(render_report(without)).ids
    assert "Not examined: scores in subgroups" in render_model_card(without)


@pytest.mark.usefixtures("words_only")
def test_delong_is_shown_below_the_verdict_unless_it_was_refused(changed, content):
    made = content.metrics.delong.model_copy(
        update={"refused": None, "difference": 0.02, "low": -0.011, "high": 0.051, "z": 1.27, "p": 0.204}
    )
    words = Page(render_report(changed(metrics=content.metrics.model_copy(update={"delong": made})))).words
    assert "DeLong's test against MLP" in words
    assert "records as independent: +0.020 (−0.011 to +0.051), p = 0.204." in words
    assert "DeLong" not in Page(render_report(content)).words


@pytest.mark.usefixtures("words_only")
def test_the_report_states_the_rule_of_the_threshold(changed):
    other = changed(threshold_chosen="the highest that finds 90 % of the positives")
    words = Page(render_report(other)).words
    assert "the highest that finds 90 % of the positives" in words and "Youden" not in words
    assert "Youden" not in render_model_card(other)


@pytest.mark.usefixtures("words_only")
def test_long_lists_of_issues_are_counted(changed):
    issues = tuple(Issue(f"row {n}", "ef", "9", "0.05-0.9", "check", "out_of_range") for n in range(2100))
    words = Page(render_report(changed(issues=issues))).words
    assert "Not used: 2100" in words
    assert "The first 2000 of 2100" in words
    assert "out of range: 2100" in words


def test_model_card_states_use_data_scores_and_limits(content):
    card = render_model_card(content)
    for text in ("Research only", "| test | normal |", "| AUROC | 0.", "## Limits", "| GCN (kept) |"):
        assert text in card, text
    assert re.search(r"\| Model \|[^\n]*\n\|---\|", card)


def test_spearman_is_pairwise_complete():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 3))
    values[:20, 0] = np.nan
    values[:, 2] = 1
    matrix, fewest = spearman(values)
    assert fewest == 30
    assert matrix[0, 1] == pytest.approx(spearmanr(values[20:, 0], values[20:, 1]).statistic)
    assert np.isnan(matrix[0, 2])


AUDIT = {
    "cohort": "c.csv",
    "records": 4,
    "files": 4,
    "different": 3,
    "split": "drawn by this run",
    "accepted": ["late_column"],
    "classes": {"ill": {"files": 2, "different": 1}, "well": {"files": 2, "different": 2}},
    "size": {},
    "findings": [
        asdict(Finding("late_column", "block", "time is late.", "Drop it.", column="time")),
        asdict(Finding("exact_copies", "warn", "Copies.", "Count.", ("p1", "p2"))),
    ],
    "probes": [asdict(Probe("site", 0.7, 0.6, 0.8, 4, "by group", shortcut=True))],
}
METER = Inflation(
    by_row=0.861, by_group=0.802, model="gcn", seeds=5, sentence="By row it would score 0.861.",
    difference=Score(value=0.059, low=-0.021, high=0.139),
)  # fmt: skip


@pytest.mark.usefixtures("words_only")
def test_cautions_stand_above_everything_else(changed):
    cautioned = changed(cautions=("Fault mirrored_ecg is switched on.", "Accepted: time is late."))
    words = Page(render_report(cautioned)).words
    assert (
        words.index("Fault mirrored_ecg")
        < words.index("Accepted: time is late.")
        < words.index("What this is This report")
    )
    assert "always in the same part" not in words
    card = render_model_card(cautioned)
    assert card.index("Accepted: time is late.") < card.index("Outcome (label 1)")
    calm = Page(render_report(changed())).words
    assert "Before any number" not in calm and "always in the same part" in calm
    assert "Before any number" not in render_model_card(changed())


@pytest.mark.usefixtures("words_only")
def test_the_optimism_of_a_split_by_rows_is_in_the_context_of_the_score_and_in_numbers(changed, content):
    measured = changed(metrics=content.metrics.model_copy(update={"inflation": METER}))
    words = Page(render_report(measured)).words
    context, _, rest = words.partition("Cohort The split")
    assert "How much would a naive split add? +0.059 By row it would score 0.861." in context
    assert "whole groups, as in this run 0.802" in rest
    assert "+0.059 (−0.021 to +0.139)" in rest
    assert "Inflation meter: By row it would score 0.861." in render_model_card(measured)


@pytest.mark.usefixtures("words_only")
def test_nothing_to_inflate_is_a_sentence_and_a_run_without_the_meter_says_nothing(changed, content):
    nothing = Inflation(sentence="nothing to inflate.")
    alone = changed(metrics=content.metrics.model_copy(update={"inflation": nothing}))
    words = Page(render_report(alone)).words
    assert "nothing to inflate." in words and "Inflation meter: effect" not in words
    assert "nothing to inflate." in render_model_card(alone)
    assert "naive" not in Page(render_report(changed())).words
    assert "Inflation" not in render_model_card(changed())


@pytest.mark.usefixtures("words_only")
def test_the_audit_is_shown_with_all_rows_and_a_run_without_one_has_none(changed):
    page = Page(render_report(changed(audit=AUDIT)))
    assert "audit" in page.ids
    for text in (
        "drawn by this run. 1 blocking finding accepted; nothing else blocks. Also: 1 warning.",
        "accepted late_column column time time is late. What to do: Drop it.",
        "warning exact_copies Copies. What to do: Count. 2 records p1 p2",
        "site by group, 4 records 0.700 0.600 to 0.800",
        "ill 2 1 2.00",
    ):
        assert text in page.words, text
    card = render_model_card(changed(audit=AUDIT))
    assert "- **accepted** `late_column` (column time): time is late. Drop it." in card
    assert "| site (should not predict it) | 0.700 (0.600 to 0.800) | 4 |" in card
    assert "audit" not in Page(render_report(changed())).ids
    assert "## Audit" not in render_model_card(changed())


@pytest.mark.usefixtures("words_only")
def test_hostile_text_of_an_audit_is_text_in_report_and_model_card(changed):
    finding = {**AUDIT["findings"][0], "text": HOSTILE, "action": HOSTILE, "rows": [HOSTILE], "column": HOSTILE + "\n|"}
    probe = {**AUDIT["probes"][0], "name": HOSTILE + "\n| 1 | 2 |", "how": HOSTILE}
    hostile = changed(audit={**AUDIT, "findings": [finding], "probes": [probe], "split": HOSTILE}, cautions=(HOSTILE,))
    assert scripts(render_report(hostile)) == [report_script()]
    card = render_model_card(hostile)
    assert "<script" not in card
    rows = [line for line in card.splitlines() if "alert" in line and line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in rows] == [4]
