"""Faults of published pipelines, as replacement steps of a run."""
