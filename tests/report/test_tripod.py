"""What a paper takes from a run: the TRIPOD+AI checklist, paragraphs of methods, figures as files."""

import re
from dataclasses import replace

import pytest

from cardiograph.report.figures import draw_figures, figure_files
from cardiograph.report.render import ORIGINS, render_methods
from cardiograph.report.tripod import CHECKLIST, checklist, render_tripod
from cardiograph.schema import Provenance

HOSTILE = "<script>alert('x')</script> | `q` [a](b)\n# heading"


def items(content):
    return {item.number: item for section in checklist(content) for item in section["lines"]}


def test_the_checklist_has_the_items_of_the_statement():
    numbers = [number for section in CHECKLIST.values() for number in section]
    assert len(numbers) == len(set(numbers)) == 52
    assert sorted({int(re.match(r"\d+", number)[0]) for number in numbers}) == list(range(1, 28))


def test_what_no_program_knows_is_left_to_the_authors(content):
    found = items(content)
    for number in ("3a", "3b", "3c", "5b", "8a", "8b", "8c", "17", "18a", "18b", "18c", "18d", "19", "25", "27c"):
        assert found[number].status == "yours to write", number
        assert not found[number].where
    for number in ("12a", "12f", "15", "21", "24"):
        assert found[number].status == "complete" and found[number].text and found[number].where, number
    assert found["23a"].text.endswith("in subgroups by sex, age, bnp.")


def test_a_section_that_is_named_is_one_of_the_report(content, report):
    headings = set(re.findall(r"<h2>([^<]+)</h2>", report)) | {"Decisions", "Summary"}
    for item in items(content).values():
        for place in filter(None, re.split(r", | to ", item.where)):
            known = place in headings or re.fullmatch(r"[a-z_]+\.(md|json|parquet|toml)|bundle/", place)
            assert known, (item.number, place)


def test_a_run_with_cautions_vouches_for_nothing(changed):
    found = items(changed(cautions=("Fault mirrored_ecg is switched on.",)))
    for number in ("12a", "12g", "16", "23a"):
        assert found[number].status == "in part" and "cautions" in found[number].text
    assert found["22"].text.endswith("Read the cautions at the top first.")
    assert "mirrored" in render_tripod(changed(cautions=("Fault mirrored_ecg is switched on.",))).replace("\\", "")


def test_sites_are_clusters(changed, content):
    assert items(content)["23b"].status == "yours to write"
    sites = content.metrics.model_copy(update={"subgroups": {"site": content.metrics.subgroups["sex"]}})
    assert items(changed(metrics=sites))["23b"].status == "complete"


def test_methods_are_two_paragraphs_of_facts(content):
    text = render_methods(content)
    paragraphs = text.strip().split("\n\n")[2:]
    assert len(paragraphs) == 2
    test, auroc = content.metrics.counts.test, content.metrics.test["auroc"]
    for text_part in (
        "The outcome was reduced ejection fraction.",
        f"The cohort of {sum(row.records for row in content.split)} records",
        "brain natriuretic peptide (measured, pg/mL)",
        "weights: imagenet",
        "its 5 nearest training records",
        f"On {test.records} test records ({test.positive} with the outcome, {test.groups} groups)",
        f"AUROC on the test records {auroc.value:.3f}",
        "100 bootstrap resamples of whole groups",
        "by sex, age, bnp, without tests",
        "Computed with cardiograph 0.1.0",
    ):
        assert text_part in text, text_part
    assert "  " not in text


@pytest.mark.parametrize("provenance", [kind for kind in Provenance.__args__ if not kind.startswith("measured")])
def test_methods_say_first_that_values_or_patients_were_made_up(changed, provenance):
    text = render_methods(changed(provenance=provenance))
    assert text.index(ORIGINS[provenance]) < text.index("The outcome was")
    if provenance == "simulated from the label":
        assert "Simulator check: AUROC" in text
        assert "performance" not in text.lower()


def test_hostile_names_are_text_in_checklist_and_methods(changed):
    hostile = changed(outcome=HOSTILE, title=HOSTILE, cautions=(HOSTILE,))
    for text in (render_tripod(hostile), render_methods(hostile)):
        assert "<script" not in text
        assert not re.search(r"^# heading", text, re.MULTILINE)
    rows = [line for line in render_tripod(hostile).splitlines() if line.startswith("| ") and "alert" in line]
    assert rows and all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in rows)


def test_performance_without_subgroups_is_in_part(changed, content):
    assert items(changed(metrics=content.metrics.model_copy(update={"subgroups": {}})))["23a"].status == "in part"


def test_figures_are_files_with_the_same_bytes_each_time(content):
    few = replace(content, curves={}, clinical=None, graph=None)
    pictures = draw_figures(few)
    files = figure_files(pictures)
    names = {"forest", "roc", "precision_recall", "decision_curve", "calibration", "probabilities", "confusion"}
    assert set(files) == {f"{name}.{kind}" for name in names for kind in ("svg", "pdf")}
    assert files["roc.pdf"].startswith(b"%PDF-1.4")
    assert b"CreationDate" not in files["roc.pdf"] and b"Matplotlib" not in files["roc.pdf"]
    assert files["roc.svg"].decode() == pictures["roc"].svg
    again = {name: picture for name, picture in draw_figures(few).items() if name in ("calibration", "decision_curve")}
    assert all(files[name] == drawing for name, drawing in figure_files(again).items())
