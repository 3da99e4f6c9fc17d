"""Writers of ECG files without any fact about the patient."""

from cardiograph.ecg.writers.write import WRITERS, ecg_files

__all__ = ["WRITERS", "ecg_files"]
