"""Small tables written to disk, and the shared data."""

import os
from pathlib import Path

import pytest

from cardiograph.cohort.manifest import read_cohort
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import CohortError

SHARED = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.fixture
def shared():
    if not (SHARED / "data").is_dir():
        pytest.skip(f"shared data not found at {SHARED}; set CARDIOGRAPH_SHARED")
    return SHARED / "data"


@pytest.fixture
def read(tmp_path):
    """Read a table given as text (or bytes) with settings of the cohort section."""

    def read_text(content, name="cohort.csv", **settings):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_cohort(path, CohortConfig(**settings), outcome="heart failure")

    return read_text


@pytest.fixture
def faults(read):
    """The error that a table raises."""

    def fail(content, name="cohort.csv", **settings):
        with pytest.raises(CohortError) as caught:
            read(content, name, **settings)
        return caught.value

    return fail
