"""Measures what each fault of a published pipeline is worth."""
