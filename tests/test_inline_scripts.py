"""The service knows every version of the scripts that reports embed."""

import base64
import hashlib

import pytest

from cardiograph.inline_scripts import known_sources, report_script
from cardiograph.patient_map.assets import SCRIPT, asset


@pytest.mark.parametrize(("name", "script"), [("report.js", report_script()), (SCRIPT, asset(SCRIPT))])
def test_the_present_version_is_in_the_list_of_versions(name, script):
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    line = f"sha256-{digest} {name}"
    assert f"'sha256-{digest}'" in known_sources(), f"add to src/cardiograph/inline_scripts/static/versions.txt: {line}"
