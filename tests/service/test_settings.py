"""Every setting of the service can come from the environment, and the docs and examples name only settings."""

import re

import pytest
import yaml
from tests.test_docs import REFERENCE, ROOT, rows, section

from cardiograph.errors import ConfigError
from cardiograph.service.settings import ServiceSettings, settings_with, variable_of

VARIABLES = {variable_of(name): field for name, field in ServiceSettings.model_fields.items()}
DERIVED = ("CARDIOGRAPH_WORKERS", "CARDIOGRAPH_UPLOADS")
"""Settings whose default `serve` derives from the machine."""

OTHER = re.compile(r"CARDIOGRAPH_[A-Z_]+")


def test_the_environment_gives_settings_and_an_option_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("CARDIOGRAPH_UPLOAD_BYTES", "1000")
    monkeypatch.setenv("CARDIOGRAPH_PORT", "9000")
    monkeypatch.setenv("CARDIOGRAPH_HOLD_MINUTES", "")
    found = settings_with({"run": tmp_path, "port": 8001})
    assert (found.upload_bytes, found.port, found.hold_minutes) == (1000, 8001, 10)
    monkeypatch.setenv("CARDIOGRAPH_UPLOAD_BYTES", "many")
    with pytest.raises(ConfigError, match="CARDIOGRAPH_UPLOAD_BYTES is 'many'; input should be a valid integer"):
        settings_with({"run": tmp_path})


def test_every_option_of_serve_has_the_variable_of_its_setting():
    from tests.test_docs import root_command

    serve = root_command().commands["serve"]
    for parameter in serve.params:
        if parameter.name != "help":
            assert parameter.envvar in VARIABLES, parameter.name


def test_the_table_has_every_setting_with_its_default():
    table = rows(section(REFERENCE["service-settings"], "## Settings"))
    listed = {key: row for key, row in table.items() if key.startswith("CARDIOGRAPH_")}
    assert set(listed) == set(VARIABLES)
    for name, field in VARIABLES.items():
        if type(field.default) in (int, float) and name not in DERIVED:
            assert float(listed[name][1].replace(",", "")) == field.default, name


def test_the_composition_names_settings_and_its_services_fit_together():
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    services = composed["services"]
    assert set(services) == {"cardiograph", "records", "proxy"}
    environment = services["cardiograph"]["environment"]
    assert {name for name in environment if name.startswith("CARDIOGRAPH_")} <= set(VARIABLES)
    assert "ports" not in services["cardiograph"]
    assert "ports" not in services["records"]
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in composed["volumes"] or source.startswith(("./", "${")), volume
    assert (ROOT / "deploy" / services["cardiograph"]["build"] / "Dockerfile").resolve().is_file()


@pytest.mark.parametrize("name", ["compose.yaml", "Caddyfile", "nginx.conf"])
def test_the_examples_name_no_unknown_variable_and_close_their_blocks(name):
    text = (ROOT / "deploy" / name).read_text()
    assert set(OTHER.findall(text)) <= set(VARIABLES)
    code = re.sub(r"\$?\{[$\w:?. -]*\}", "", re.sub(r"#.*", "", text))
    depth = 0
    for sign in re.findall(r"[{}]", code):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0


def test_the_clusters_of_the_examples_are_of_the_pinned_ray():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    kubernetes = yaml.safe_load((ROOT / "deploy/kuberay.yaml").read_text())
    assert kubernetes["spec"]["rayVersion"] == pins["ray"]
    (readers,) = kubernetes["spec"]["workerGroupSpecs"]
    assert readers["template"] == kubernetes["spec"]["headGroupSpec"]["template"]
    own = yaml.safe_load((ROOT / "deploy/ray.yaml").read_text())
    assert own["provider"]["type"] == "local"
    assert all("ray start" in own[f"{kind}_start_ray_commands"][-1] for kind in ("head", "worker"))
