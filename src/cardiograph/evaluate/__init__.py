"""Evaluation: arrays in, numbers out."""

from cardiograph.callable_package import make_callable

make_callable(__name__, "cardiograph.external.evaluate:evaluate_cohort")
