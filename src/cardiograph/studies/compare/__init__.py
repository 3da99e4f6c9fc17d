"""Comparison of models under repeated folds of whole groups."""
