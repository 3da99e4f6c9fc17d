"""Encoders that turn an ECG page into an embedding, with their weights, engines and precision."""
