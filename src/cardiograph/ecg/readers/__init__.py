"""Readers of ECG files: one module for each format, all listed in :mod:`cardiograph.ecg.readers.registry`."""

from cardiograph.ecg.readers.read import read_ecg
from cardiograph.ecg.readers.source import EcgSource, ReadOptions

__all__ = ["EcgSource", "ReadOptions", "read_ecg"]
