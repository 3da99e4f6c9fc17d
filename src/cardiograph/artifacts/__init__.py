"""Run folders, model bundles and the embedding cache: the only reader and writer of run files."""
