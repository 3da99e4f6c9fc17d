"""Compares models under repeated folds of whole groups."""
