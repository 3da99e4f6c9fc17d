"""Evaluates, extends and recalibrates a finished run with other cohorts."""
