"""Registry of the checks of the audit, and the function that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cardiograph.audit.audit_input import AuditInput, count_files
from cardiograph.audit.circular import probe_columns
from cardiograph.audit.copies import check_copies
from cardiograph.audit.files import check_files
from cardiograph.audit.findings import Audit, Finding, Probe, sort_findings
from cardiograph.audit.late import check_late
from cardiograph.audit.shortcuts import probe_shortcuts
from cardiograph.audit.size import check_cohort_size, size_facts
from cardiograph.audit.tables import check_table

AUDIT_VERSION = "4"
"""Changes whenever the same cohort gives other findings."""

Check = Callable[[AuditInput], Iterator[Finding | Probe] | Iterator[Finding]]
"""Yields the findings and probes of a cohort; nothing if the cohort lacks what the check needs."""

CHECKS: tuple[Check, ...] = (
    check_files,
    check_copies,
    check_late,
    probe_shortcuts,
    probe_columns,
    check_table,
    check_cohort_size,
)
"""All checks, in the order in which the report lists findings of equal severity."""


def run_checks(audited: AuditInput) -> Audit:
    """Run all checks on a cohort.

    Args:
        audited: Cohort, pages and the split to audit.

    Returns:
        The findings, most severe first, the probes and the numbers of records and events.
    """
    found = [each for check in CHECKS for each in check(audited)]
    files, different, classes = count_files(audited)
    return Audit(
        cohort=audited.name,
        records=len(audited.cohort),
        files=files,
        different=different,
        classes=classes,
        split=audited.split,
        findings=sort_findings([each for each in found if isinstance(each, Finding)]),
        probes=tuple(each for each in found if isinstance(each, Probe)),
        size=size_facts(audited),
        accepted=audited.accepted,
    )
