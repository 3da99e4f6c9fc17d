"""All checks of the audit in order."""

from __future__ import annotations

from cardiograph.audit.findings import Audit
from cardiograph.audit.subject import Subject

AUDIT_VERSION = "1"
"""Changes whenever the same cohort gives other findings."""


def examine(subject: Subject) -> Audit:
    """Look at a cohort before anything is learnt from it.

    Args:
        subject: The cohort, its pages and the split to be judged.

    Returns:
        Findings, gravest first, what the label is predicted from, and what this number of records can show.
    """
    raise NotImplementedError
