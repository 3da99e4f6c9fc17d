"""What pages and the terminal tell of an audit, from the plain values of its JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from cardiograph.audit.findings import Audit
from cardiograph.report.template import fill
from cardiograph.wording import ACCEPTED, SEVERITY_TITLES, UNSEEN

TableRow = dict[str, Any]


def audit_rows(audit: Mapping[str, Any]) -> TableRow:
    """All that a template tells of an audit.

    Args:
        audit: The content of ``audit.json``.
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
    """Whether anything blocks, and how much else there is, in a sentence or two."""
    kinds = Counter(_kind(finding, audit) for finding in audit["findings"])
    others = [counted(kinds[kind], SEVERITY_TITLES[kind]) for kind in ("warn", "note") if kinds[kind]]
    baselines = f" Beside that: {' and '.join(others)}." if others else ""
    if kinds["block"]:
        verb = "blocks" if kinds["block"] == 1 else "block"
        why = "a score on this cohort, read and split like this, would mean nothing"
        if not audit["records"]:
            why = "the cohort cannot be read before that is fixed"
        return f"{counted(kinds['block'], 'finding')} {verb}: {why}.{baselines}"
    if kinds[ACCEPTED]:
        return f"{counted(kinds[ACCEPTED], 'blocking finding')} accepted; nothing else blocks.{baselines}"
    return f"Nothing blocks; {' and '.join(others)}." if others else "Nothing was found."


def audit_tone(audit: Mapping[str, Any]) -> str:
    """Style of the verdict: ``warning`` where anything blocks, accepted or not, ``note`` where there is anything else."""
    severities = {finding["severity"] for finding in audit["findings"]}
    return "warning" if "block" in severities else "note" if severities else "plain"


def finding_rows(audit: Mapping[str, Any]) -> list[TableRow]:
    """Findings with the title of their severity; ``kind`` is ``accepted`` for a block that the user lets pass."""
    rows = []
    for finding in audit["findings"]:
        kind = _kind(finding, audit)
        rows.append({**finding, "kind": kind, "title": SEVERITY_TITLES[kind]})
    return rows


def class_pages(audit: Mapping[str, Any]) -> list[TableRow]:
    """Page files and different pages of each class, and of all."""
    rows = [{"name": name, **counts, "total": False} for name, counts in audit["classes"].items()]
    if len(rows) > 1:
        rows.append({"name": "all", "files": audit["files"], "different": audit["different"], "total": True})
    return rows if audit["files"] else []


def probe_rows(audit: Mapping[str, Any]) -> TableRow:
    """Probes in two blocks, with their places on one scale in percent of its width; empty without probes."""
    probes = audit["probes"]
    if not probes:
        return {}
    lowest: float = min(0.4, *(probe["auroc"] if probe["low"] is None else probe["low"] for probe in probes))
    start = max(0.0, math.floor(lowest * 10) / 10)

    def place(value: float) -> float:
        return round(100 * (value - start) / (1 - start), 2)

    def row(probe: Mapping[str, Any]) -> TableRow:
        low, high = (probe["auroc"] if probe[end] is None else probe[end] for end in ("low", "high"))
        shows = probe["low"] is not None and probe["low"] > 0.5
        score = {"value": probe["auroc"], "low": probe["low"], "high": probe["high"]}
        return {**probe, "score": score, "shows": shows, "left": place(low), "width": place(high) - place(low),
                "dot": place(probe["auroc"])}  # fmt: skip

    titles = {True: "Should not know the label", False: "Clinical values, which may"}
    blocks = [
        {"title": title, "rows": [row(probe) for probe in probes if probe["shortcut"] is shortcut]}
        for shortcut, title in titles.items()
    ]
    found = [block for block in blocks if block["rows"]]
    clinical = not all(probe["shortcut"] for probe in probes)
    return {"start": f"{start:.1f}", "half": place(0.5), "blocks": found, "clinical": clinical}


def size_rows(size: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What this number of records can show, a title and a value each; see ``cardiograph.audit.size``."""
    if not size:
        return []
    rows = [
        ("Records", f"{size['records']}: {size['positive']} positive, {size['negative']} negative, "
         f"{size['records'] - size['labelled']} unlabelled"),
        ("Independent groups", f"{size['groups']}: {size['positive_groups']} with a positive record, "
         f"{size['negative_groups']} with a negative one"),
        ("Events", f"{size['events']}: groups of the rarer label{_shared(size)}"),
    ]  # fmt: skip
    if size["expected_half_width"] is not None:
        cases = size["test_positive_groups"] + size["test_negative_groups"]
        rows.append(
            (
                "Interval to expect",
                f"about ±{size['expected_half_width']:.2f} around an AUROC of {size['assumed_auroc']:g}, on "
                f"{cases} independent test cases ({size['test_positive_groups']} positive)",
            )
        )
    if size["needed_test_groups"] is not None:
        needed = f"{size['needed_test_groups']} independent ones, at the same share of positive cases"
        rows.append(("Test cases for ±0.05", needed))
    return rows


def _shared(size: Mapping[str, Any]) -> str:
    """Events for each column and each input value."""
    columns, pixels = size["clinical_columns"], size["image_features"]
    told = []
    if columns:
        told.append(f"{size['events_per_clinical_column']:.1f} for each of {counted(columns, 'clinical column')}")
    if pixels:
        inputs = f"{columns + pixels} input values" if columns else f"{pixels} image values"
        told.append(f"{size['events_per_input']:.2f} for each of {inputs}")
    return "".join(f"; {each}" for each in told)


def counted(number: int, noun: str) -> str:
    """``1 finding``, ``2 findings``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _kind(finding: Mapping[str, Any], audit: Mapping[str, Any]) -> str:
    accepted = finding["severity"] == "block" and finding["code"] in audit["accepted"]
    return ACCEPTED if accepted else str(finding["severity"])


def audit_page(audit: Audit) -> str:
    """Write an audit as HTML with all its rows; names may hold any text, all of it is escaped."""
    content = audit.as_dict()
    return fill("audit.html", {**content, **audit_rows(content)}, package="cardiograph.report")
