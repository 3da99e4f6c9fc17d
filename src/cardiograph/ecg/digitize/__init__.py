"""Digitisation of printed ECG pages: pixels in, an :class:`~cardiograph.ecg.ecg.Ecg` out."""
