"""The documentation matches the program: commands parse, code runs, tables are complete, links lead somewhere."""

import ast
import csv
import functools
import json
import re
import shlex
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from cardiograph import errors
from cardiograph.cli.app import app, main
from cardiograph.config_reading import Section, VariableConfig
from cardiograph.ecg.digitize.digitize import REFUSALS
from cardiograph.ecg.readers.codes import READER_CODES
from cardiograph.ecg.readers.registry import READERS
from cardiograph.evaluate.metrics import METRICS
from cardiograph.imaging.prepare import GATE_CODES
from cardiograph.studies.faults.switches import FaultyConfig, load_settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
REFERENCE = {page.stem: TEXTS[page] for page in PAGES if page.parent.name == "reference"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")


def named(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, language):
    return [body for kind, body in FENCE.findall(TEXTS[page]) if kind == language]


def prose(page):
    return FENCE.sub("", TEXTS[page])


def section(text, heading):
    """The part of a page under a heading, up to the next one of its rank or above."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    rank = len(heading.split()[0])
    return re.split(rf"^#{{1,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """Tables of a text: first cell -> all cells, backquotes removed."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip().replace("`", "") for cell in line.strip("| ").split(" | ")] for line in lines]
    return {row[0]: row for row in cells}


# Commands


@functools.cache
def root_command():
    from typer.main import get_command

    return get_command(app)


def command_at(words):
    """The command, or group of commands, that words begin with: its name, itself, and the words behind it."""
    found, name = root_command(), []
    while hasattr(found, "commands") and len(name) < len(words):
        name.append(words[len(name)])
        found = found.commands[name[-1]]
    return " ".join(name), found, words[len(name) :]


def commands(group=(), /):
    """Every command by its name, such as ``run`` and ``keys create``."""
    _, found, _ = command_at(group)
    if not hasattr(found, "commands"):
        return {" ".join(group): found}
    return {name: each for below in found.commands for name, each in commands((*group, below)).items()}


def written_commands():
    for page in PAGES:
        for body in blocks(page, "sh"):
            for line in body.replace("\\\n", " ").splitlines():
                if line.startswith("cardiograph "):
                    yield pytest.param(line, id=f"{named(page)}: {line}")


def spoken_commands():
    for page in PAGES:
        for span in dict.fromkeys(SPAN.findall(prose(page))):
            if re.match(r"cardiograph [a-z]", span) and not span.startswith("cardiograph."):
                yield pytest.param(span, id=f"{named(page)}: {span}")


def options_of(command):
    names = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return {name for name in names if name.startswith("--")} | {"--help"}


@pytest.mark.parametrize("line", [*written_commands()])
def test_every_command_in_a_block_parses(line):
    _, *words = shlex.split(line)
    if words[0] in ("--help", "-h"):
        return
    name, command, rest = command_at(words)
    command.make_context(name, rest)


@pytest.mark.parametrize("span", [*spoken_commands()])
def test_every_command_in_a_sentence_has_its_options(span):
    _, command, rest = command_at(span.split()[1:])
    assert {word for word in rest if word.startswith("--")} <= options_of(command)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_option_in_a_sentence_exists(page):
    known = set().union(*(options_of(command) for command in commands().values()))
    spoken = {span.split()[0] for span in SPAN.findall(prose(page)) if re.match(r"--[a-z]", span)}
    assert spoken <= known | {"--install-completion", "--show-completion"}


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_reference_has_every_option_and_no_other(name):
    table = rows(section(REFERENCE["cli"], f"## `cardiograph {name}`"))
    assert {option for option in table if option.startswith("--")} == options_of(commands()[name]) - {"--help"}


def value_cells(name):
    """Option of a command -> what the reference says it takes, and what it means, with backquotes."""
    text = section(REFERENCE["cli"], f"## `cardiograph {name}`")
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `--")]
    return {row[0].strip("`"): row[1:] for row in cells}


def numbers(text):
    return {float(each.replace(",", "")) for each in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", text)}


def choices_of(annotation):
    """The words that a key may hold, or that the entries of its list may be."""
    first = typing.get_origin(annotation) is tuple
    words = typing.get_args(typing.get_args(annotation)[0] if first else annotation)
    return [word for each in words if each is not type(None) for word in typing.get_args(each) or (each,)]


def options_with_choices():
    """Each option that sets a key which holds one of a few words, with those words; and the choices that are no setting."""
    from cardiograph.cli.options import setting_of_option
    from cardiograph.cli.run_options import RunOptions
    from cardiograph.registry import MODELS as ALL_MODELS
    from cardiograph.service.records.keys import SCOPES
    from cardiograph.studies.compare.kinds import KINDS
    from cardiograph.studies.compare.options import MODELS
    from cardiograph.studies.faults.switches import PRESETS

    settings = setting_of_option(RunOptions)
    for name, command in commands().items():
        for parameter in command.params:
            setting = settings.get(parameter.name)
            if setting is not None and setting.section:
                field = FaultyConfig.model_fields[setting.section].annotation.model_fields[setting.key]
                if "Literal" in str(field.annotation):
                    yield pytest.param(name, parameter, choices_of(field.annotation), id=f"{name} --{setting.key}")
            if parameter.name == "model":
                yield pytest.param(name, parameter, tuple(ALL_MODELS), id=f"{name} --model")
            if parameter.name == "preset":
                yield pytest.param(name, parameter, tuple(PRESETS), id=f"{name} --preset")
            if parameter.name == "scope":
                yield pytest.param(name, parameter, tuple(SCOPES), id=f"{name} --scope")
            if parameter.name == "models":
                choices = {*MODELS, *KINDS["survival"].titles}
                yield pytest.param(name, parameter, tuple(choices), id=f"{name} --models")


def test_reference_and_help_name_every_encoder():
    from cardiograph.registry import ENCODERS

    takes, _ = value_cells("run")["--encoder"]
    parameter = next(each for each in commands()["run"].params if each.name == "encoder")
    assert all(f"`{name}`" in takes and name in parameter.help for name in ENCODERS)


@pytest.mark.parametrize(("name", "parameter", "choices"), [*options_with_choices()])
def test_reference_and_help_name_every_value_of_an_option_and_no_other(name, parameter, choices):
    takes, meaning = value_cells(name)[parameter.opts[0]]
    words = SPAN.findall(takes) or SPAN.findall(meaning)
    assert set(words) - {"--quick"} == set(choices)
    words = {word.strip(",.") for word in re.findall(r"[\w.,]+", parameter.help)} | {*parameter.help.split()}
    assert set(choices) <= words, parameter.help


def options_with_defaults():
    """Each option with a default: its own, or the one that the program puts in its place."""
    from cardiograph.studies.compare import options
    from cardiograph.studies.ladder import ladder

    elsewhere = {
        ("ladder", "seeds"): ladder.SEEDS,
        ("compare", "folds"): options.FOLDS,
        ("compare", "repeats"): options.REPEATS,
    }
    for name, command in commands().items():
        for parameter in command.params:
            default = elsewhere.get((name, parameter.name), parameter.default)
            if parameter.opts[0].startswith("--") and default not in (None, False):
                yield pytest.param(name, parameter.opts[0], default, id=f"{name} {parameter.opts[0]}")


@pytest.mark.parametrize(("name", "option", "default"), [*options_with_defaults()])
def test_the_reference_names_the_default_of_an_option(name, option, default):
    _, meaning = value_cells(name)[option]
    if isinstance(default, int | float):
        assert float(default) in numbers(meaning)
    else:
        assert f"`{default}`" in meaning


@pytest.mark.parametrize("option", ["--model", "--weights", "--encoder"])
def test_the_reference_names_the_default_behind_an_option_of_a_run(option):
    from cardiograph.config import EncoderConfig, ModelConfig

    encoder = EncoderConfig()
    default = {"--model": ModelConfig().name, "--weights": encoder.weights, "--encoder": encoder.name}[option]
    assert f"`{default}` by default" in value_cells("run")[option][1]


def test_the_pages_name_every_model_and_the_default():
    from cardiograph.config import ModelConfig
    from cardiograph.registry import MODELS, TITLES

    default = ModelConfig().name
    table = rows(TEXTS[ROOT / "docs/concepts/models.md"])
    assert set(table) - {"name"} >= set(TITLES)
    assert "default" in table[default][-1]
    assert not any("the default" in table[name][-1] for name in TITLES if name != default)
    assert f"The default model is {TITLES[default]}" in TEXTS[ROOT / "docs/concepts/how-it-works.md"]
    (primary,) = (line for line in REFERENCE["run-folder"].splitlines() if line.startswith("| `primary` |"))
    assert set(SPAN.findall(primary)) - {"primary"} == set(MODELS)


def test_the_reference_has_every_exit_status():
    statuses = {error.exit_code for error in vars(errors).values() if hasattr(error, "exit_code")}
    assert {int(key) for key in rows(section(REFERENCE["cli"], "## Exit status")) if key.isdigit()} == statuses | {0}
    table = rows(REFERENCE["errors"])
    for name, error in vars(errors).items():
        if hasattr(error, "exit_code"):
            assert table[name][1] == str(error.exit_code)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    written = {line.split()[1] for body in blocks(page, "sh") for line in body.splitlines() if line.startswith("make ")}
    spoken = {span.split()[1] for span in SPAN.findall(prose(page)) if span.startswith("make ")}
    assert written | spoken <= targets


# Settings


def config_tables():
    reference = REFERENCE["config"]
    plain = {
        key: field
        for key, field in FaultyConfig.model_fields.items()
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section))
    }
    yield pytest.param(plain, section(reference, "## Top of the file"), id="top")
    for key, field in FaultyConfig.model_fields.items():
        if key not in plain:
            text = section(reference, f"## `[{key}]`").split("\n### ")[0]
            yield pytest.param(field.annotation.model_fields, text, id=key)
    yield pytest.param(
        VariableConfig.model_fields, section(reference, "### `[[cohort.variables]]`"), id="cohort.variables"
    )


def default_as_toml(field):
    import tomli_w

    default = field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined:
        return "-"
    if default == {}:
        return "{}"
    written = tomli_w.dumps({"key": default}).strip().removeprefix("key = ")
    return re.sub(r",\s*\]", "]", re.sub(r"\[\s+", "[", re.sub(r"\n\s*", " ", written)))


@pytest.mark.parametrize(("fields", "text"), [*config_tables()])
def test_the_reference_has_every_setting_with_its_default_and_limits(fields, text):
    table = rows(text)
    assert set(table) - {"key"} == set(fields)
    for key, field in fields.items():
        _, default, allowed, meaning = table[key]
        assert default == default_as_toml(field), key
        for choice in choices_of(field.annotation) if "Literal" in str(field.annotation) else ():
            assert f'"{choice}"' in allowed, key
        for limit in (getattr(about, sign, None) for about in field.metadata for sign in ("gt", "ge", "lt", "le")):
            assert limit is None or f" {limit:g}" in allowed, key
        assert meaning


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_toml_block_is_a_configuration(page, tmp_path):
    for number, body in enumerate(blocks(page, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(body, encoding="utf-8")
        load_settings(path, {})


# Codes of issues

ISSUE_CODE = {"Issue": 5, "CellFault": 0, "_option_issue": 4}
"""Which argument of each call is the code."""


def codes_in(source):
    """Every code that an issue of this module can have."""
    tree = ast.parse(source)
    assigned = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts = {part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)}
            assigned.setdefault(node.targets[0].id, set()).update(texts)
    for node in ast.walk(tree):
        position = ISSUE_CODE.get(getattr(getattr(node, "func", None), "id", ""))
        if position is None or len(node.args) <= position:
            continue
        code = node.args[position]
        if isinstance(code, ast.Constant):
            yield code.value
        elif isinstance(code, ast.Name):
            yield from (text for text in assigned.get(code.id, ()) if re.fullmatch("[a-z_]{3,}", str(text)))


def test_the_reference_has_every_code_of_an_issue_and_no_other():
    written = {code for path in (ROOT / "src").rglob("*.py") for code in codes_in(path.read_text(encoding="utf-8"))}
    written |= {code for codes in GATE_CODES.values() for code in codes} | {*READER_CODES, *REFUSALS}
    tables = REFERENCE["errors"].partition("## The file and its header")[2]
    listed = {key for key in rows(tables) if re.fullmatch("[a-z_]+", key)} - {"code"}
    assert len(written) > 40
    assert listed == written


def test_the_reference_has_every_ecg_format_and_its_suffixes():
    table = rows(section(REFERENCE["ecg-formats"], "## Formats"))
    assert {key for key in table if key != "name"} - {"---"} == {*READERS}
    for name, spec in READERS.items():
        assert {suffix.strip() for suffix in table[name][2].split(",")} == {*spec.suffixes}, name
        assert (f"(extra {spec.extra})" in table[name][3]) == bool(spec.extra), name
        assert ("not yet tried on a device's file" in table[name][4]) != spec.tried_on_device_files, name


# Findings of the audit


def finding_codes():
    """Every code that a finding of the audit can have, from the calls that make one."""
    for path in (ROOT / "src/cardiograph/audit").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            name = getattr(getattr(node, "func", None), "id", "")
            if name in ("Finding", "_mixed", "Suspect") and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value
    yield from ("shortcut_site", "shortcut_acquired_at")  # from a table of columns


def test_the_reference_has_every_code_of_a_finding_and_no_other():
    text = REFERENCE["audit"].partition("## `audit.json`")[0]
    listed = {code for row in rows(text) for code in re.findall(r"[a-z]+(?:_[a-z]+)+", row)}
    assert listed == set(finding_codes())


def test_the_reference_has_every_key_of_an_audit(finished_run):
    table = rows(section(REFERENCE["audit"], "## `audit.json`"))
    keys = {key for row in table for key in row.split(", ")} - {"key"}
    audit = json.loads((finished_run / "audit.json").read_text())
    assert keys == set(audit)
    assert all(f"`{key}`" in REFERENCE["audit"] for key in {*audit["findings"][0], *audit["probes"][0]})


# What a run leaves behind


def test_the_reference_has_every_file_of_a_run(finished_run):
    reference = REFERENCE["run-folder"]
    for path in [*finished_run.iterdir(), *(finished_run / "bundle").iterdir()]:
        name = re.sub(r"\.[0-9a-f]{12}\.", ".HASH.", path.name)
        assert f"`{name}{'/' if path.is_dir() else ''}`" in reference, path.name


def test_the_reference_has_every_key_of_metrics_and_facts(finished_run):
    reference = REFERENCE["run-folder"]
    metrics = json.loads((finished_run / "metrics.json").read_text())
    table = section(reference, "## `metrics.json`")
    assert set(rows(table)) - {"key"} == set(metrics)
    for name in {*METRICS, *metrics["test"], *metrics["graph_verdict"], *metrics["bootstrap"]}:
        assert f"`{name}`" in table
    facts = section(reference, "## `run.json`")
    for key in json.loads((finished_run / "run.json").read_text()):
        assert f"`{key}`" in facts
    bundle = section(reference, "## `bundle/`")
    for key in json.loads((finished_run / "bundle" / "reference.json").read_text()):
        assert f"`{key}`" in bundle


def test_the_reference_has_every_column_of_a_run(finished_run):
    import pandas as pd

    text = section(REFERENCE["run-folder"], "## Tables")
    for path in finished_run.glob("*.parquet"):
        clinical = {"ef", "bnp", "nyha", "sbp", "age"} if path.stem == "cohort" else set()
        for column in set(pd.read_parquet(path).columns) - clinical:
            assert f"`{column}`" in text, (path.name, column)


def test_the_how_to_has_the_pinned_weights():
    from cardiograph.encoders import weights

    text = TEXTS[ROOT / "docs/how-to/offline-weights.md"]
    pinned = (weights.HUB_REPOSITORY, weights.HUB_REVISION, weights.HUB_FILE, weights.HUB_SHA256)
    assert all(f"`{value}`" in text for value in pinned)
    assert f"{weights.HUB_BYTES:,} bytes" in text


# Code and commands, run


@pytest.fixture
def place(tmp_path, monkeypatch, cohort_table, finished_run):
    """A folder with the names that the pages use: ``cohort.csv``, ``page.jpg``, ``my.toml``, a finished ``runs/first``."""
    for path in cohort_table.parent.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "page.jpg").symlink_to(next((cohort_table.parent / "pages").iterdir()))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "first").symlink_to(finished_run)
    (tmp_path / "my.toml").write_bytes((finished_run / "config.toml").read_bytes())
    with cohort_table.open(newline="") as file:
        patients = list(csv.DictReader(file))[:3]
    with (tmp_path / "new_patients.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [name for name in patients[0] if name != "label"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(patients)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=named)
def test_the_python_of_a_page_runs(page, place, service_url, monkeypatch, capsys):
    monkeypatch.setenv("CARDIOGRAPH_URL", service_url)
    code = compile("\n".join(blocks(page, "python")), str(page), "exec")
    exec(code, {"__name__": "page"})  # noqa: S102 - the page is ours
    assert capsys.readouterr().out.strip()


def test_the_client_of_the_page_is_short_and_agrees_with_predict(place, service_url, monkeypatch, capsys):
    monkeypatch.setenv("CARDIOGRAPH_URL", service_url)
    (block,) = blocks(ROOT / "docs/how-to/call-the-service.md", "python")
    assert len(block.splitlines()) <= 65
    exec(block, {"__name__": "page"})  # noqa: S102 - the page is ours
    first, second, third = capsys.readouterr().out.splitlines()
    main_of(["predict", "runs/first", "--ecg", "page.jpg", "--ef", "0.34", "--bnp", "463", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert first.endswith(f": {answer['probability']:.3f}, decision: {answer['decision']}")
    assert 0 < float(second) < 1
    assert third == "patient: ef allowed 0.05-0.9 fraction"


def test_the_fhir_table_has_every_code():
    from cardiograph.service.api import fhir_codes

    table = rows(REFERENCE["fhir"])
    for name, code in fhir_codes.CODES.items():
        assert table[name][1:3] == [code.code, code.display]
        assert code.ucum in table[name][3]
    text = REFERENCE["fhir"]
    assert all(f"{answer} ({roman})" in text for roman, answer in fhir_codes.NYHA_CLASSES.values())
    assert all(f"{code.code} | {code.display}" in text for code in (fhir_codes.NT_PROBNP, fhir_codes.ECG))


def test_the_readme_uses_python_in_ten_lines():
    (block,) = blocks(ROOT / "README.md", "python")
    assert len(block.splitlines()) <= 10


def readme_commands(name):
    lines = [line for body in blocks(ROOT / "README.md", "sh") for line in body.splitlines()]
    spans = SPAN.findall(prose(ROOT / "README.md"))
    return [shlex.split(line)[1:] for line in [*lines, *spans] if line.startswith(f"cardiograph {name}")]


def test_the_readme_scores_patients(place):
    one, many, explained = readme_commands("predict")
    main_of(one)
    main_of(explained)
    main_of(many)
    with (place / "answers.csv").open(newline="") as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 3
    table = rows(TEXTS[ROOT / "docs/how-to/predict-many.md"])
    assert list(answers[0]) == [key for key in table if key != "column"]


def test_the_reference_has_every_key_of_an_answer(place, capsys):
    main_of(["predict", "runs/first", "--ecg", "page.jpg", "--ef", "0.4", "--explain", "--json"])
    answer = json.loads(capsys.readouterr().out)
    explained, result = answer["explanation"], rows(section(REFERENCE["cli"], "## An explanation"))
    assert set(explained) == set(result) - {"key"}
    for name, part in explained.items():
        inner = part[0] if isinstance(part, list) and part else part
        assert not isinstance(inner, dict) or all(f"{key}" in " ".join(result[name]) for key in inner)
    table = rows(section(REFERENCE["cli"], "## `cardiograph predict`"))
    assert set(answer) <= set(table)
    assert all(key in table["neighbours"][1] for key in answer["neighbours"][0])


def main_of(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


@pytest.mark.parametrize("arguments", [["--help"], ["config"], ["config", "--out", "my.toml"]], ids=" ".join)
def test_cheap_commands_of_the_pages_run(arguments, tmp_path):
    program = [sys.executable, "-c", "from cardiograph.cli.app import main; main()"]
    done = subprocess.run([*program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout or (tmp_path / "my.toml").stat().st_size > 1000


# Links, pictures, length, what must not stand there


def anchors(page):
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_page_is_in_the_index():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target.split("#")[0]).resolve() for target in re.findall(r"\]\(([^)]+)\)", TEXTS[index])}
    assert {page for page in PAGES if page.parent.parent == index.parent} <= linked


def test_pictures_are_small_and_used():
    text = "".join(TEXTS.values())
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000
        assert f"images/{picture.name})" in text


def test_the_readme_is_short():
    assert len(TEXTS[ROOT / "README.md"].splitlines()) <= 155


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_names_a_machine(page):
    text = TEXTS[page]
    assert not re.findall(r"(?<![\w.~/)\]}$:-])/[a-z]+/[\w./-]+", text), "an absolute path"
    assert not re.findall(r"https?://(?!doi\.org/)\S+", text), "an address: name the source instead"
    assert not re.findall(
        r"(?i)\b(?!127\.0\.0\.1\b)(?:\d{1,3}\.){3}\d{1,3}\b|index-url|\.internal\b|(?<!~/)\.local\b", text
    )
