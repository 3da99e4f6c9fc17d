"""Fits preprocessing and models on a split cohort and calibrates them."""
