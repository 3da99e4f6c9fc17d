"""What an audit finds: codes, severities, and the whole of it as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cardiograph.errors import AuditError, ConfigError, Issue
from cardiograph.notebook import html_table

Severity = Literal["block", "warn", "note"]

SEVERITIES: tuple[Severity, ...] = ("block", "warn", "note")
"""Gravest first."""

BLOCKING = ("split_parts_groups", "late_column", "defines_label", "copies_with_different_labels")
"""Codes that stop a run, and that ``--accept`` lets pass; a late column that nothing reads is a warning."""


@dataclass(frozen=True)
class Finding:
    """One finding.

    Args:
        code: A stable name for programs, such as ``exact_copies``.
        severity: ``block``, ``warn`` or ``note``.
        text: One plain sentence.
        action: What to do, naming the option that does it where there is one.
        rows: Record ids concerned, in the order of the cohort; empty where it concerns a column or all records.
        column: The column concerned, or an empty string.
    """

    code: str
    severity: Severity
    text: str
    action: str
    rows: tuple[str, ...] = ()
    column: str = ""


@dataclass(frozen=True)
class Probe:
    """How well something that should not know the label predicts it, or a clinical column that may.

    Args:
        name: What was looked at, such as ``page header and footer`` or ``ef alone``.
        auroc: On labelled records, 0..1; of a single column the larger of AUROC and 1 - AUROC.
        low: Low of its interval over groups; None where there are too few.
        high: The same.
        records: Labelled records that it rests on.
        how: How it was found, such as ``cross-validated by group``.
        shortcut: True for what should not know the label at all.
    """

    name: str
    auroc: float
    low: float | None
    high: float | None
    records: int
    how: str
    shortcut: bool


@dataclass(frozen=True)
class Audit:
    """All that an audit found.

    Args:
        cohort: Name of the table or folder.
        records: Records of the cohort.
        files: Records that name a page.
        different: Pages with different pixels among them.
        classes: Class as the user wrote it -> ``{"files": n, "different": n}``.
        split: The split that was judged, in words.
        findings: Gravest first.
        probes: What the label is predicted from.
        size: Events, parameters and what this number of records can show; see :mod:`cardiograph.audit.size`.
        accepted: Codes of blocking findings that the user accepts.
    """

    cohort: str
    records: int
    files: int
    different: int
    classes: Mapping[str, Mapping[str, int]]
    split: str
    findings: tuple[Finding, ...]
    probes: tuple[Probe, ...] = ()
    size: Mapping[str, Any] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()

    @property
    def blocks(self) -> tuple[Finding, ...]:
        """Findings that stop a run: blocking ones whose code is not accepted."""
        return tuple(f for f in self.findings if f.severity == "block" and f.code not in self.accepted)

    @property
    def overruled(self) -> tuple[Finding, ...]:
        """Blocking findings that the user has accepted."""
        return tuple(f for f in self.findings if f.severity == "block" and f.code in self.accepted)

    def _repr_html_(self) -> str:
        """The findings as a table, for notebooks."""
        rows = [(found.severity, found.code, found.text, found.action) for found in self.findings]
        return html_table(("severity", "code", "finding", "what to do"), rows, caption=self.cohort)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Audit:
        """The inverse of :meth:`as_dict`, also after JSON."""
        findings = tuple(Finding(**{**each, "rows": tuple(each["rows"])}) for each in content["findings"])
        probes = tuple(Probe(**each) for each in content["probes"])
        accepted = tuple(content["accepted"])
        return cls(**{**content, "findings": findings, "probes": probes, "accepted": accepted})

    def require_sound(self) -> None:
        """Stop here if anything blocks.

        Raises:
            AuditError: An issue for each finding that blocks.
        """
        if not self.blocks:
            return
        issues = [_issue(finding) for finding in self.blocks]
        codes = " ".join(f"--accept {code}" for code in dict.fromkeys(finding.code for finding in self.blocks))
        message = (
            f"{self.cohort}: a score on this cohort would mean nothing ({len(issues)} finding(s) of the audit block it); "
            f"fix them, or go on all the same by {codes}, which the report tells at its top"
        )
        raise AuditError(message, issues)


def sort_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Gravest first, otherwise in the order in which they were found."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def check_codes(codes: Sequence[str]) -> None:
    """Refuse a code that is no blocking one.

    Raises:
        ConfigError: With the codes there are.
    """
    for code in codes:
        if code not in BLOCKING:
            message = f"audit.accept {code!r}: no code of a blocking finding; they are: {', '.join(BLOCKING)}"
            raise ConfigError(message)


def _issue(finding: Finding) -> Issue:
    shown = ", ".join(finding.rows[:5]) + (f" and {len(finding.rows) - 5} more" if len(finding.rows) > 5 else "")
    return Issue("audit", finding.column, shown, finding.text, finding.action, finding.code)
