"""The audit as a page: one HTML file that needs no network and no script."""

from __future__ import annotations

from cardiograph.audit.findings import Audit
from cardiograph.evaluation.report_audit import audit_rows
from cardiograph.evaluation.report_template import fill


def audit_page(audit: Audit) -> str:
    """Write an audit as HTML with all its rows; names may hold any text, all of it is escaped."""
    content = audit.as_dict()
    return fill("audit.html", {**content, **audit_rows(content)}, package="cardiograph.audit")
