"""Findings, probes and the result of an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cardiograph.errors import AuditError, ConfigError, Issue
from cardiograph.notebook import html_table

Severity = Literal["block", "warn", "note"]

SEVERITIES: tuple[Severity, ...] = ("block", "warn", "note")
"""Severities, most severe first."""

BLOCKING = ("split_parts_groups", "late_column", "defines_label", "copies_with_different_labels")
"""Codes that stop a run unless ``--accept`` names them; a late column that the model does not read is only a
warning."""


@dataclass(frozen=True)
class Finding:
    """One finding of an audit.

    Args:
        code: Stable identifier, such as ``exact_copies``.
        severity: ``block``, ``warn`` or ``note``.
        text: One sentence that describes the finding.
        action: Recommended action; names the option to use if there is one.
        rows: IDs of the affected records, in cohort order; empty if a column or all records are affected.
        column: Affected column, or an empty string.
    """

    code: str
    severity: Severity
    text: str
    action: str
    rows: tuple[str, ...] = ()
    column: str = ""


@dataclass(frozen=True)
class Probe:
    """How well features that may or may not be related to the label predict it.

    Args:
        name: What was probed, such as ``page header and footer`` or ``ef alone``.
        auroc: AUROC on labelled records, 0..1; for a single column the larger of AUROC and 1 - AUROC.
        low: Lower end of the interval over groups; None if there are too few groups.
        high: Upper end of that interval.
        records: Number of labelled records.
        how: Method, such as ``cross-validated by group``.
        shortcut: True if the features should be unrelated to the label.
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
    """Result of an audit.

    Args:
        cohort: Name of the table or folder.
        records: Number of records in the cohort.
        files: Number of records with a page.
        different: Number of pages with different pixels.
        classes: Class name in the table -> ``{"files": n, "different": n}``.
        split: Description of the audited split.
        findings: Findings, most severe first.
        probes: How well various features predict the label.
        size: Numbers of events and parameters, and the precision to expect; see :mod:`cardiograph.audit.size`.
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
        """Blocking findings whose code is not accepted; they stop a run."""
        return tuple(f for f in self.findings if f.severity == "block" and f.code not in self.accepted)

    @property
    def overruled(self) -> tuple[Finding, ...]:
        """Blocking findings that the user accepts."""
        return tuple(f for f in self.findings if f.severity == "block" and f.code in self.accepted)

    def _repr_html_(self) -> str:
        """Return the findings as an HTML table for notebooks."""
        rows = [(found.severity, found.code, found.text, found.action) for found in self.findings]
        return html_table(("severity", "code", "finding", "what to do"), rows, caption=self.cohort)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        findings = [dict(vars(finding)) for finding in self.findings]
        return {**vars(self), "findings": findings, "probes": [dict(vars(probe)) for probe in self.probes]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Audit:
        """Restore an audit from :meth:`as_dict`, also after a round trip through JSON."""
        findings = tuple(Finding(**{**each, "rows": tuple(each["rows"])}) for each in content["findings"])
        probes = tuple(Probe(**each) for each in content["probes"])
        accepted = tuple(content["accepted"])
        return cls(**{**content, "findings": findings, "probes": probes, "accepted": accepted})

    def require_sound(self) -> None:
        """Raise an error if a finding blocks.

        Raises:
            AuditError: If at least one finding blocks; it holds an issue for each.
        """
        if not self.blocks:
            return
        issues = [_issue(finding) for finding in self.blocks]
        codes = " ".join(f"--accept {code}" for code in dict.fromkeys(finding.code for finding in self.blocks))
        message = (
            f"{self.cohort}: a score on this cohort would mean nothing ({len(issues)} audit finding(s) block it); "
            f"fix them, or continue anyway with {codes}, which the report states at the top"
        )
        raise AuditError(message, issues)


def sort_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort findings by severity, most severe first; findings of equal severity keep their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def check_codes(codes: Sequence[str]) -> None:
    """Check that all codes belong to blocking findings.

    Raises:
        ConfigError: If a code does not; the message lists the blocking codes.
    """
    for code in codes:
        if code not in BLOCKING:
            message = f"audit.accept {code!r}: not the code of a blocking finding; allowed are {', '.join(BLOCKING)}"
            raise ConfigError(message)


def _issue(finding: Finding) -> Issue:
    shown = ", ".join(finding.rows[:5]) + (f" and {len(finding.rows) - 5} more" if len(finding.rows) > 5 else "")
    return Issue("audit", finding.column, shown, finding.text, finding.action, finding.code)
