"""Evaluate, extend and recalibrate a finished run with other cohorts."""
