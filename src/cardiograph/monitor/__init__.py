"""Watching a model: recent patients compared with the validation and test records of the run."""
