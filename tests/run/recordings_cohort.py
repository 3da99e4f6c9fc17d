"""A cohort of simulated recordings as DICOM files, half of them with a left bundle branch block."""

import numpy as np
import pandas as pd

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.writers import ecg_files
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.waves import Heart


def recording(seed=0, **parameters):
    """A simulated recording at 500 Hz."""
    return Ecg(record_ecg(Heart(**parameters), np.random.default_rng(seed)).astype(np.float32), 500.0, "simulated")


def write_recordings(folder, count=26):
    """Write recordings p0, p1, ... and their table; those of odd number have the block. Returns the table's path."""
    rows = []
    for number in range(count):
        block = number % 2
        ecg = recording(number, conduction="lbbb" if block else "normal", qrs_ms=150 if block else 90, rate=60 + number)
        (name, content), *_ = ecg_files(ecg, "dicom", f"p{number}").items()
        (folder / name).write_bytes(content)
        rows.append({"record_id": f"p{number}", "ecg": name, "label": block})
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"
