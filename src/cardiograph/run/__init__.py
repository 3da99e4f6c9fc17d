"""The pipeline of a run as a list of named steps, its outputs and its metadata."""
