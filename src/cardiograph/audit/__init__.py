"""Audit of a cohort: detects what would make a score worthless before any model is fitted."""

from cardiograph.callable_package import make_callable

make_callable(__name__, "cardiograph.run.audit:audit_cohort")
