"""``cardiograph config`` writes a file that the program reads."""

import tomllib

from tests.cli.commands import call, command

from cardiograph.cli.config import commented_toml
from cardiograph.config import RunConfig, load_config


def test_config_writes_what_config_reads(tmp_path):
    status, output = call("config")
    assert status == 0
    assert RunConfig.model_validate(tomllib.loads(output)) == RunConfig()
    chosen = load_config(
        None,
        {
            "cohort": {"map": {"bnp": "NTproBNP"}, "variables": [{"name": "creatinine", "low": 0.1, "high": 20}]},
            "pages": {"view": "box", "box": [0, 0, 300, 300]},
        },
    )
    assert RunConfig.model_validate(tomllib.loads(commented_toml(chosen))) == chosen


def test_config_does_not_overwrite(tmp_path):
    (tmp_path / "mine.toml").write_text("# mine")
    assert call("config", "--out", tmp_path / "mine.toml")[0] == 2
    assert (tmp_path / "mine.toml").read_text() == "# mine"


def test_config_goes_into_a_device():
    assert command("config", "--out", "/dev/null").returncode == 0
    done = command("config", "--out", "/dev/full")
    assert (done.returncode, "/dev/full: cannot be written (No space left" in done.stderr) == (5, True)
