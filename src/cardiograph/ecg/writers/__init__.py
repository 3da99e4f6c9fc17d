"""Writers of ECG files without any fact about the patient."""

from cardiograph.ecg.writers.write import WRITERS, write_ecg

__all__ = ["WRITERS", "write_ecg"]
