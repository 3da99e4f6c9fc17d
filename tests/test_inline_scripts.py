"""The service knows every version of the scripts that reports embed."""

import base64
import hashlib
from importlib import resources

import pytest

from cardiograph.inline_scripts import known_sources

SCRIPTS = [
    file
    for package in ("inline_scripts", "patient_map")
    for file in (resources.files(f"cardiograph.{package}") / "static").iterdir()
    if file.name.endswith(".js")
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_present_version_is_in_the_list_of_versions(script):
    digest = base64.b64encode(hashlib.sha256(script.read_bytes()).digest()).decode()
    line = f"sha256-{digest} {script.name}"
    assert f"'sha256-{digest}'" in known_sources(), f"add to src/cardiograph/inline_scripts/static/versions.txt: {line}"
