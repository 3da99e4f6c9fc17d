"""Look up known vulnerabilities of the installed packages with pip-audit, and report if it could not check.

pip-audit exits with 0 if a package index returns no list of vulnerabilities; that would look like "none known".
"""

from __future__ import annotations

import json
import subprocess
import sys

COMMAND = (sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--timeout", "20")


def main() -> int:
    """Return the exit status: 1 if a vulnerability is known."""
    done = subprocess.run([*COMMAND, "--skip-editable"], capture_output=True, text=True, check=False)  # noqa: S603
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = done.stderr.strip().splitlines()[-1:]
        sys.stdout.write(f"audit SKIPPED: nothing was looked up ({''.join(last)[:200]})\n")
        return 0
    looked_up = [each for each in packages if "vulns" in each]
    for each in looked_up:
        for vulnerability in each["vulns"]:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            sys.stdout.write(f"{each['name']} {each['version']}: {vulnerability['id']}, fixed in {fixed}\n")
    left = len(packages) - len(looked_up)
    if not looked_up:
        sys.stdout.write(f"audit SKIPPED: the index returned nothing about any of {left} packages\n")
    else:
        sys.stdout.write(f"audit: {len(looked_up)} packages looked up, {left} could not be\n")
    return int(any(each["vulns"] for each in looked_up))


if __name__ == "__main__":
    sys.exit(main())
