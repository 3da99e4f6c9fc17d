"""Command line: one module per command, shared options, console tables."""
