"""All checks of the audit in order."""

from __future__ import annotations

from collections.abc import Iterator

from cardiograph.audit.circular import probe_columns
from cardiograph.audit.copies import check_copies
from cardiograph.audit.files import check_files
from cardiograph.audit.findings import Audit, Finding, Probe, sort_findings
from cardiograph.audit.late import check_late
from cardiograph.audit.shortcuts import probe_shortcuts
from cardiograph.audit.size import check_size, size_facts
from cardiograph.audit.subject import AuditInput, count_files
from cardiograph.audit.tables import check_table

AUDIT_VERSION = "1"
"""Changes whenever the same cohort gives other findings."""


def run_checks(audited: AuditInput) -> Audit:
    """Look at a cohort before anything is learnt from it.

    Args:
        audited: The cohort, its pages and the split to be judged.

    Returns:
        Findings, gravest first, what the label is predicted from, and what this number of records can show.
    """
    size = size_facts(audited)
    found = list(_look(audited))
    findings = [*(each for each in found if isinstance(each, Finding)), *check_size(size)]
    files, different, classes = count_files(audited)
    return Audit(
        cohort=audited.name,
        records=len(audited.cohort),
        files=files,
        different=different,
        classes=classes,
        split=audited.split,
        findings=sort_findings(findings),
        probes=tuple(each for each in found if isinstance(each, Probe)),
        size=size,
        accepted=audited.accepted,
    )


def _look(audited: AuditInput) -> Iterator[Finding | Probe]:
    yield from check_files(audited)
    yield from check_copies(audited)
    yield from check_late(audited)
    yield from probe_shortcuts(audited)
    yield from probe_columns(audited)
    yield from check_table(audited)
