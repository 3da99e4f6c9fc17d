"""The audit: what would make a score worthless, found before anything is learnt. It knows no model."""

from cardiograph.callable_package import make_callable

make_callable(__name__, "cardiograph.run.audit:audit_cohort")
