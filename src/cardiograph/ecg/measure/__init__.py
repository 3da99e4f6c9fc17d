"""Measurements of an ECG: delineation, rhythm, intervals, axes, amplitudes and signal quality."""
