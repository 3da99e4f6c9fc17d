"""Fits preprocessing and models on a split cohort and calibrates them."""

from cardiograph.callable_package import make_callable

make_callable(__name__, "cardiograph.stages:train")
