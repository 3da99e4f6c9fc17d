"""Audit results as rows and sentences for HTML and the terminal, from the plain values of ``audit.json``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from cardiograph.audit.findings import Audit
from cardiograph.issue_groups import counted
from cardiograph.report.panel import Alert, Answer, Summary
from cardiograph.report.tables import interval
from cardiograph.report.template import fill
from cardiograph.wording import ACCEPTED, SEVERITY_TITLES, UNSEEN

TableRow = dict[str, Any]

CHANCE = 0.5
"""AUROC of chance."""


def audit_rows(audit: Mapping[str, Any]) -> TableRow:
    """Return all values of an audit that a template shows.

    Args:
        audit: Content of ``audit.json``.
    """
    return {
        "split": audit["split"].rstrip("."),
        "verdict": audit_verdict(audit),
        "tone": audit_tone(audit),
        "findings": finding_rows(audit),
        "classes": class_pages(audit),
        "probes": probe_rows(audit),
        "size": size_rows(audit["size"]),
        "unseen": UNSEEN,
    }


def audit_verdict(audit: Mapping[str, Any]) -> str:
    """State in one or two sentences whether any finding blocks, and how many others there are."""
    kinds = Counter(_kind(finding, audit) for finding in audit["findings"])
    others = [counted(kinds[kind], SEVERITY_TITLES[kind]) for kind in ("warn", "note") if kinds[kind]]
    also = f" Also: {' and '.join(others)}." if others else ""
    if kinds["block"]:
        verb = "blocks" if kinds["block"] == 1 else "block"
        why = "a score on this cohort, read and split like this, would mean nothing"
        if not audit["records"]:
            why = "the cohort cannot be read until this is fixed"
        return f"{counted(kinds['block'], 'finding')} {verb}: {why}.{also}"
    if kinds[ACCEPTED]:
        return f"{counted(kinds[ACCEPTED], 'blocking finding')} accepted; nothing else blocks.{also}"
    return f"Nothing blocks; {' and '.join(others)}." if others else "Nothing was found."


def audit_tone(audit: Mapping[str, Any]) -> str:
    """Return the style of the verdict: ``warning`` for a blocking finding, accepted or not; ``note`` for any other."""
    severities = {finding["severity"] for finding in audit["findings"]}
    return "warning" if "block" in severities else "note" if severities else "plain"


def finding_rows(audit: Mapping[str, Any]) -> list[TableRow]:
    """Return the findings with the title of their severity; ``kind`` is ``accepted`` for an accepted block."""
    rows = []
    for finding in audit["findings"]:
        kind = _kind(finding, audit)
        rows.append({**finding, "kind": kind, "title": SEVERITY_TITLES[kind]})
    return rows


def class_pages(audit: Mapping[str, Any]) -> list[TableRow]:
    """Return the number of page files and of distinct images of each class and in total; empty without pages."""
    rows = [{"name": name, **counts, "total": False} for name, counts in audit["classes"].items()]
    if len(rows) > 1:
        rows.append({"name": "all", "files": audit["files"], "different": audit["different"], "total": True})
    return rows if audit["files"] else []


def probe_rows(audit: Mapping[str, Any]) -> TableRow:
    """Return the probes in two blocks, with positions in percent of a common scale; empty without probes."""
    probes = audit["probes"]
    if not probes:
        return {}
    lowest: float = min(0.4, *(probe["auroc"] if probe["low"] is None else probe["low"] for probe in probes))
    start = max(0.0, math.floor(lowest * 10) / 10)

    def position(value: float) -> float:
        return round(100 * (value - start) / (1 - start), 2)

    def row(probe: Mapping[str, Any]) -> TableRow:
        low, high = (probe["auroc"] if probe[end] is None else probe[end] for end in ("low", "high"))
        shows = probe["low"] is not None and probe["low"] > 0.5
        return {**probe, "score": _score_of(probe), "shows": shows, "left": position(low),
                "width": position(high) - position(low), "dot": position(probe["auroc"])}  # fmt: skip

    titles = {True: "Should not predict the label", False: "Clinical values, which may predict it"}
    blocks = [
        {"title": title, "rows": [row(probe) for probe in probes if probe["shortcut"] is shortcut]}
        for shortcut, title in titles.items()
    ]
    found = [block for block in blocks if block["rows"]]
    clinical = not all(probe["shortcut"] for probe in probes)
    return {"start": f"{start:.1f}", "half": position(0.5), "blocks": found, "clinical": clinical}


def _score_of(probe: Mapping[str, Any]) -> dict[str, float | None]:
    return {"value": probe["auroc"], "low": probe["low"], "high": probe["high"]}


def size_rows(size: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return title and text of each statement on the size of the cohort; see ``cardiograph.audit.size``."""
    if not size:
        return []
    rarest = size.get("rarest", "")
    positive, negative, rarer = ("positive", "negative", "rarer label")
    with_positive, with_negative = "with a positive record", "with a negative one"
    if rarest:
        positive, negative, rarer = f"of {rarest}, the rarest class", "of another", f"rarest class, {rarest}"
        with_positive, with_negative = f"with a record of {rarest}", "with one of another class"
    rows = [
        ("Records", f"{size['records']}: {size['positive']} {positive}, {size['negative']} {negative}, "
         f"{size['records'] - size['labelled']} unlabelled"),
        ("Independent groups", f"{size['groups']}: {size['positive_groups']} {with_positive}, "
         f"{size['negative_groups']} {with_negative}"),
        ("Events", f"{size['events']}: groups of the {rarer}{_shared(size)}"),
    ]  # fmt: skip
    if size["expected_half_width"] is not None:
        cases = size["test_positive_groups"] + size["test_negative_groups"]
        rows.append(
            (
                "Expected interval",
                f"about ±{size['expected_half_width']:.2f} around an AUROC of {size['assumed_auroc']:g}"
                f"{' of this class against the rest' if rarest else ''}, on "
                f"{cases} independent test cases ({size['test_positive_groups']} {rarest or 'positive'})",
            )
        )
    if size["needed_test_groups"] is not None:
        needed = (
            f"{size['needed_test_groups']} independent test cases, at the same share of {rarest or 'positive'} ones"
        )
        rows.append(("Test cases for ±0.05", needed))
    return rows


def _shared(size: Mapping[str, Any]) -> str:
    """State the number of events per clinical column and per input value."""
    columns, features = size["clinical_columns"], size["image_features"]
    shares = []
    if columns:
        shares.append(f"{size['events_per_clinical_column']:.1f} for each of {counted(columns, 'clinical column')}")
    if features:
        inputs = f"{columns + features} input values" if columns else f"{features} image values"
        shares.append(f"{size['events_per_input']:.2f} for each of {inputs}")
    return "".join(f"; {share}" for share in shares)


def _kind(finding: Mapping[str, Any], audit: Mapping[str, Any]) -> str:
    accepted = finding["severity"] == "block" and finding["code"] in audit["accepted"]
    return ACCEPTED if accepted else str(finding["severity"])


def audit_page(audit: Audit) -> str:
    """Render an audit as HTML with all its rows; all text is escaped."""
    content = audit.as_dict()
    return fill("audit.html", {**content, **audit_rows(content), "summary": _summary(content)})


def _summary(audit: Mapping[str, Any]) -> Summary:
    """Return the answers at the top of the page of an audit."""
    codes = ", ".join(dict.fromkeys(finding["code"].replace("_", " ") for finding in audit["findings"]))
    shortcuts = [probe for probe in audit["probes"] if probe["shortcut"]]
    shown = [probe for probe in shortcuts if probe["low"] is not None and probe["low"] > CHANCE]
    best = max(shown, key=lambda probe: probe["auroc"], default=None)
    size = dict(size_rows(audit["size"]))
    alert = Alert(audit_verdict(audit), f"Audited split: {audit['split'].rstrip('.')}.", (), audit_tone(audit))
    answers = [
        Answer("What was read?", counted(audit["records"], "record"), _read(audit)),
        Answer("What was found?", counted(len(audit["findings"]), "finding") if audit["findings"] else "Nothing",
               f"{codes.capitalize()}." if codes else ""),
    ]  # fmt: skip
    shortcut = "Does anything predict the label that should not?"
    if best is not None:
        detail = f"AUROC {interval(_score_of(best))} by itself; 0.5 is chance."
        answers.append(Answer(shortcut, str(best["name"]), detail, "bad"))
    elif shortcuts:
        answers.append(Answer(shortcut, "Nothing shown", f"{counted(len(shortcuts), 'item')} tried."))
    if "Expected interval" in size:
        half_width, _, around = size["Expected interval"].partition(" around ")
        answers.append(Answer("How exact could a score be?", half_width.capitalize(), f"Around {around}."))
    return Summary(tuple(answers), alert)


def _read(audit: Mapping[str, Any]) -> str:
    """State how many images differ, class by class if there are classes."""
    if not audit["files"]:
        return "The cohort has no pages."
    parts = [_images(audit["files"], audit["different"])]
    if len(audit["classes"]) > 1 and audit["different"] < audit["files"]:
        parts += [f"{name}: {_images(**counts)}" for name, counts in audit["classes"].items()]
    return f"{'; '.join(parts)}."


def _images(files: int, different: int, **_: object) -> str:
    """Count images by what differs, such as ``4 images, each 8 times on average``."""
    if files == different:
        return f"{counted(files, 'image')}, all different"
    if different == 1:
        return f"1 image, {files} times"
    return f"{counted(different, 'image')}, each {files / different:.3g} times on average"
