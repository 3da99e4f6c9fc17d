"""Encoders that turn a page into an embedding, with their weights, engines and precision."""
