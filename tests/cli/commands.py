"""Call commands in this process, for tests."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

from cardiograph.cli.app import main


def call(*arguments):
    """Exit status and stdout of a command."""
    output = io.StringIO()
    with redirect_stdout(output), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0, output.getvalue()


def failed(*arguments):
    """Exit status and the error as JSON."""
    status, output = call(*arguments, "--json")
    return status, json.loads(output)


def audited(*arguments):
    """Exit status of an audit and its JSON."""
    status, output = call("audit", *arguments, "--json")
    return status, json.loads(output)


def config_file(tmp_path, **sections):
    """A configuration file for a quick run."""
    import tomli_w

    path = tmp_path / "quick.toml"
    path.write_text(tomli_w.dumps({"model": {"epochs": 30}, "evaluation": {"bootstrap": 100}, **sections}))
    return path


def command(*arguments, **options):
    """A command as a process of its own."""
    words = [sys.executable, "-m", "cardiograph", *map(str, arguments)]
    return subprocess.run(words, stderr=subprocess.PIPE, text=True, timeout=120, check=False, **options)
