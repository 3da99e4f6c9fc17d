"""Options and ``--set`` become settings, with the order of precedence that the reference promises."""

import json
import tomllib

import pandas as pd
import pytest
from tests.cli.commands import audited, call, config_file, failed

from cardiograph.cli.assignments import assigned
from cardiograph.cli.options import (
    AuditOptions,
    ComparisonOptions,
    ReadingOptions,
    StudyOptions,
    config_overrides,
    reading_overrides,
    setting_of_option,
)
from cardiograph.cli.run_options import RunOptions
from cardiograph.config import RunConfig, load_config
from cardiograph.errors import ConfigError


def test_options_become_settings_and_what_is_not_given_overrides_nothing():
    given = RunOptions(
        positive="a, b", map_=["bnp=NT=x"], accept=["late_column"], skip_bad_pages=True, seed=0, encoder="resnet50"
    )
    assert config_overrides(given) == {
        "cohort": {"positive": ["a, b"], "map": {"bnp": "NT=x"}},
        "audit": {"accept": ["late_column"]},
        "pages": {"skip_bad": True},
        "encoder": {"name": "resnet50"},
        "seed": 0,
    }
    assert config_overrides(RunOptions(missing=[], map_=())) == {}
    assert config_overrides(RunOptions(decimal="", gate=False)) == {"cohort": {"decimal": ""}, "pages": {"gate": False}}


def test_every_option_of_a_setting_names_a_key_of_the_configuration():
    for kind in (ReadingOptions, AuditOptions, StudyOptions, ComparisonOptions, RunOptions):
        for name, setting in setting_of_option(kind).items():
            section = RunConfig.model_fields[setting.section].annotation if setting.section else RunConfig
            assert setting.key in section.model_fields, name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50", 50),
        ("0.5", 0.5),
        ("true", True),
        ('["a", "b"]', ["a", "b"]),
        ("random", "random"),
        ('"50"', "50"),
        ("weights/own.pt", "weights/own.pt"),
        ("a=b", "a=b"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_a_value_is_toml_where_it_parses_and_text_elsewhere(text, value):
    assert assigned([f"encoder.seed={text}"]) == {"encoder": {"seed": value}}


def test_assignments_are_nested_by_section():
    texts = ["model.epochs=5", "seed=3", " model.name = gat ", 'cohort.map={ef = "EF"}']
    assert assigned(texts) == {"model": {"epochs": 5, "name": "gat"}, "seed": 3, "cohort": {"map": {"ef": "EF"}}}


@pytest.mark.parametrize("text", ["model.epochs", "=3", ".epochs=3", "model.=3", "cohort.map.ef=EF"])
def test_an_assignment_of_another_form_is_refused(text):
    with pytest.raises(ConfigError, match=r"expected SECTION\.KEY=VALUE"):
        assigned([text])


def test_a_key_is_assigned_once_and_a_section_is_no_key():
    with pytest.raises(ConfigError, match="given twice"):
        assigned(["model.epochs=3", "model.epochs=4"])
    with pytest.raises(ConfigError, match=r"write --set model\.KEY=VALUE"):
        config_overrides(RunOptions(set_=["model=3"], model="gat"))


def test_options_win_over_assignments_and_these_over_the_file(tmp_path):
    config = config_file(tmp_path, model={"name": "gcn", "epochs": 30, "patience": 7})
    given = RunOptions(config=config, set_=["model.name=sage", "model.epochs=40"], model="gat")
    settings = load_config(config, config_overrides(given))
    assert (settings.model.name, settings.model.epochs, settings.model.patience) == ("gat", 40, 7)


def test_assignments_set_what_config_writes():
    output = call("config", "--set", "model.epochs=40", "--set", "outcome=my outcome")[1]
    settings = RunConfig.model_validate(tomllib.loads(output))
    assert (settings.model.epochs, settings.outcome.name) == (40, "my outcome")


def test_a_finished_run_keeps_the_settings_with_which_it_was_trained():
    assert reading_overrides(ReadingOptions(set_=["cohort.decimal=,"])) == {"cohort": {"decimal": ","}}
    for text in ("model.epochs=3", "seed=3"):
        with pytest.raises(ConfigError, match="keeps its own"):
            reading_overrides(ReadingOptions(set_=[text]))


def test_an_option_replaces_its_key_of_the_file_and_no_other(table, tmp_path):
    renamed = pd.read_csv(table).rename(columns={"ef": "EF", "label": "Death"})
    renamed.to_csv(tmp_path / "renamed.csv", index=False)
    config = config_file(tmp_path, cohort={"map": {"ef": "EF", "label": "Death"}, "missing": ["7"]})
    status, found = audited(tmp_path / "renamed.csv", "--out", tmp_path, "--config", config, "--seed", "0")
    assert (status, found["records"]) == (0, 120)
    assert audited(tmp_path / "renamed.csv", "--out", tmp_path, "--config", config, "--map", "ef=EF")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--map", "bnp"], 2, "expected NAME=VALUE"),
        (["--map", "bnp=a", "--map", "bnp=b"], 2, "given twice"),
        (["--model", "transformer"], 2, "model.name"),
        (["--config", "nowhere.toml"], 2, "nowhere.toml"),
        (["--seed", "-1"], 2, "seed"),
        (["--encoder", "resnet999"], 2, "encoder.name"),
        (["--set", "model.epochs=many"], 2, "model.epochs is 'many'"),
        (["--set", "model.deep=1"], 2, "model.deep: no such setting"),
        (["--set", "modell.epochs=1"], 2, "modell: no such setting"),
        (["--simulate", "label"], 2, "clinical columns (ef, age)"),
        (["--balance", "augment"], 2, "this cohort has none"),
        (["--modality", "image"], 3, "ecg"),
    ],
)
def test_settings_that_cannot_be_used_exit_with_a_reason(table, tmp_path, arguments, status, text):
    code, error = failed("run", table, "--out", tmp_path / "run", *arguments)
    assert code == status
    assert text in json.dumps(error, ensure_ascii=False)
