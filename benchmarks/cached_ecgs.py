"""Digitised pages kept on disk, so that several benchmarks, or a repeated one, digitise each page once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.read_any import read_any
from cardiograph.errors import EcgError, Issue


def read_cached(path: Path, cache: Path | None) -> Ecg:
    """Read an ECG from a file, or from the cache if it was read before.

    Args:
        path: Page or signal file.
        cache: Folder of the cache, created if missing; None to read the file. Delete it when the digitiser has changed.

    Raises:
        EcgError: If the page is refused; a refusal is kept too.
    """
    if cache is None:
        return read_any(path)
    kept = cache / f"{path.parent.name}-{path.name}.npz"
    if not kept.exists():
        _keep(path, kept)
    with np.load(kept) as found:
        facts = json.loads(str(found["facts"]))
        if "issue" in facts:
            message = f"{path.name} was refused"
            raise EcgError(message, [Issue(**facts["issue"])])
        return Ecg(
            found["signal"], facts["rate"], facts["source"], tuple(facts["derived"]), notes=tuple(facts["notes"])
        )


def _keep(path: Path, kept: Path) -> None:
    try:
        ecg = read_any(path)
        facts = {"rate": ecg.rate, "source": ecg.source, "derived": ecg.derived, "notes": ecg.notes}
        signal = ecg.signal
    except EcgError as error:
        issue = error.issues[0]
        names = ("where", "column", "value", "rule", "remedy", "code")
        facts, signal = {"issue": {name: getattr(issue, name) for name in names}}, np.zeros(0, np.float32)
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}")
    with partial.open("wb") as handle:
        np.savez_compressed(handle, signal=signal, facts=json.dumps(facts))
    partial.rename(kept)
