"""All commands: help, exit statuses, and outputs that cannot be written."""

import json
import os
import subprocess
import sys

import pytest
from tests.cli.commands import call, command, failed

import cardiograph
from cardiograph.cli.app import app, main
from cardiograph.config import load_config
from cardiograph.errors import ConfigError


@pytest.mark.parametrize(
    "command", [each.name or each.callback.__name__.replace("_", "-") for each in app.registered_commands]
)
def test_every_command_has_help_that_says_what_it_does(command):
    status, output = call(command, "--help")
    assert status == 0
    assert "Usage:" in output
    assert len(output.splitlines()) > 8


def test_it_shows_its_version():
    status, shown = call("--version")
    assert (status, shown.strip()) == (0, f"cardiograph {cardiograph.__version__}")


def test_help_loads_nothing_heavy():
    code = (
        "import sys\ntry:\n    from cardiograph.cli.app import main; main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'sklearn', 'pydantic', 'matplotlib', 'PIL') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"


def test_an_output_that_takes_no_more_is_named():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        for arguments in (["config"], ["audit", "no_such.csv", "--json"]):
            done = command(*arguments, stdout=full)
            assert done.returncode == 1
            assert done.stderr.strip() == (
                "error: the output cannot be written (No space left on device); make room or write it elsewhere"
            )


@pytest.mark.parametrize("kind", ["device", "fifo"])
def test_a_device_or_fifo_is_not_a_file_for_any_command(finished_run, tmp_path, kind):
    names = [tmp_path / "table.csv", tmp_path / "page.jpg", tmp_path / "settings.toml"]
    for name in names:
        if kind == "device":
            name.symlink_to("/dev/zero")
        else:
            os.mkfifo(name)
    table, page, toml = names
    for arguments in (
        *(["audit", table], ["run", table], ["ladder", table], ["compare", table]),
        *(
            ["evaluate", finished_run, table],
            ["extend", finished_run, table],
            ["predict", finished_run, "--table", table],
        ),
        *(["predict", finished_run, "--ecg", page], ["config", "--check", toml], ["run", table, "--weights", page]),
        *(["ecg", "show", page], ["ecg", "measure", page], ["ecg", "convert", page, tmp_path / "out.csv"]),
    ):
        out = [] if arguments[0] in ("predict", "config", "ecg") else ["--out", tmp_path / "out"]
        status, error = failed(*arguments, *out) if arguments[0] != "config" else (2, {"error": "not a file"})
        assert status in ((10,) if arguments[1] == "measure" else (2, 3, 4))
        assert "not a file" in json.dumps(error)
    with pytest.raises(ConfigError, match="not a file"):
        load_config(toml)


def test_a_missing_cohort_and_a_missing_run_say_so(tmp_path):
    assert failed("run", tmp_path / "nowhere.csv")[0] == 3
    assert failed("predict", tmp_path / "nowhere", "--ef", "0.4")[0] == 5
    assert failed("report", tmp_path / "nowhere")[0] == 5


def test_ctrl_c_says_how_to_continue(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cardiograph.studies.faults.switches.load_settings", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(["config"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted; the same command, given again, continues where it can\n"
