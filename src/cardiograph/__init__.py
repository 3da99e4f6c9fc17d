"""Heart-failure prediction over a patient-similarity graph, with numbers that can be believed."""

__version__ = "0.1.0"
