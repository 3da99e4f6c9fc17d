"""Collects the texts of the web UI and adds new ones to its catalogues; ``--new CODE`` starts another catalogue."""

from __future__ import annotations

import ast
import importlib
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from cardiograph.service.web.language import LETTERS

PACKAGE = Path(__file__).parents[1] / "src" / "cardiograph"
LOCALE = PACKAGE / "service" / "web" / "locale"

HEADER = r"""msgid ""
msgstr ""
"Language: {code}\n"
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: {plurals}\n"

"""
"""Header of a catalogue, without dates, which would differ after each update."""

KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "ngettext": (1, 2), "deferred": None}
"""Functions whose argument is translated."""

TEMPLATES = {
    "extensions": "jinja2.ext.do",
    "trimmed": "true",
    "newstyle_gettext": "true",
    "silent": "false",
}

MESSAGES = (
    "artifacts/maps.py", "containers/survival.py", "ecg/digitize/*.py", "ecg/measure/*.py",
    "ecg/pages.py", "ecg/pdf_pages.py", "ecg/read_any.py", "ecg/readers/*.py", "ecg/waveform.py", "evaluate/verdict.py",
    "explain/explanation.py", "explain/lead_map.py", "features/scaler.py", "imaging/ecg_check.py", "imaging/grid.py",
    "imaging/prepare.py", "imaging/quality.py", "imaging/reading.py", "monitor/content.py",
    "monitor/performance.py", "monitor/sample.py", "inference/answers.py",
    "inference/labels.py", "inference/own_records.py", "inference/queries.py", "inference/survival.py",
    "service/api/health.py", "service/api/predictions.py", "service/api/problems.py",
    "service/security/access.py", "service/security/csrf.py", "service/security/limits.py",
    "service/security/uploads.py", "service/monitoring.py", "service/state.py", "service/worker_pool.py", "schema.py",
    "uncertainty/uncertainty.py",
    "wording.py",
)  # fmt: skip
"""Modules of which every sentence may appear on a page."""

NOT_ON_PAGES = {"ecg/readers/codes.py"}
"""Modules among them that describe codes for the docs."""

FUNCTIONS = (
    ("train/fit.py", "_provenance_sentence"), ("survival/evaluation.py", "judge"), ("encoders/weights.py", "_random"),
    ("encoders/weights.py", "_own"),
)  # fmt: skip
"""Functions whose sentences may appear on a page, of modules that are otherwise not shown."""

COMMON_NAMES = (
    "heart failure", "death", "all-cause death", "cardiovascular death", "sudden cardiac death", "pump failure death",
    "heart failure hospitalisation", "atrial fibrillation", "myocardial infarction", "reduced ejection fraction",
    "sex", "female", "male", "height", "weight", "body mass index", "diastolic blood pressure", "heart rate",
    "creatinine", "haemoglobin", "sodium", "potassium", "diabetes", "hypertension", "smoker", "normal", "abnormal",
    "yes", "no", "censored", "probability", "regression", "score", "months", "days", "weeks",
)  # fmt: skip
"""Names that cohorts often give to outcomes, variables and their values, and words that stand for one in a sentence."""

INTERNAL = {"ValueError", "TypeError", "KeyError", "RunError", "WeightsError", "ConfigError", "AssertionError"}
"""Errors whose messages never appear on a page."""

_WORDS = re.compile(r"[A-Za-z]{2,}")
_PLACE = re.compile(r"\{\w+\}")
_NOT_SHOWN = re.compile(r"\(\d{4}\)|^\{run\}|=\d|=\"|\?class=|^The audit | \?")
"""Years of publications, errors of runs, keys, headers and patterns, and what the report alone says."""

_COMMAND = re.compile(r"`|--|\boption\b")
"""Parts of a text for people who type commands; the page leaves such texts out, see ``plain_words.remedy_of``."""


def extracted() -> Catalog:
    """Return the texts of the current sources."""
    catalog = Catalog(project="cardiograph", charset="utf-8")
    for place, _, message, comments, context in _of_the_page():
        catalog.add(message, locations=[(place, 0)], auto_comments=comments, context=context)
    for place, text in _of_other_packages():
        catalog.add(text, locations=[(place, 0)])
    return catalog


def _of_the_page() -> Iterator[tuple[Any, ...]]:
    sources = (
        ("service/web", "**.py", "python", {}),
        ("service/web/templates", "**.html", "jinja2", TEMPLATES),
        ("service/web/static", "page.js", "javascript", {}),
        ("patient_map/static", "**.js", "javascript", {}),
        ("patient_map/static", "**.html", "jinja2", TEMPLATES),
    )
    for folder, files, method, options in sources:
        found = extract_from_dir(
            PACKAGE / folder, [(files, method)], {files: options}, keywords=KEYWORDS, strip_comment_tags=True
        )
        for name, *rest in sorted(found, key=lambda each: (each[0], each[1])):
            yield (f"{folder}/{name}", *rest)


def _of_other_packages() -> Iterator[tuple[str, str]]:
    for pattern in MESSAGES:
        for file in sorted(PACKAGE.glob(pattern)):
            name = file.relative_to(PACKAGE).with_suffix("").as_posix()
            if f"{name}.py" in NOT_ON_PAGES:
                continue
            for text in sentences(file.read_text(encoding="utf-8"), f"cardiograph.{name.replace('/', '.')}"):
                yield f"{name}.py", text
    for name, function in FUNCTIONS:
        tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
        body = next(each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == function)
        module = f"cardiograph.{name.removesuffix('.py').replace('/', '.')}"
        yield from ((name, text) for text in sentences(ast.unparse(body), module))
    for place, names in _registries():
        for text in names:
            if _WORDS.search(text):
                yield place, text


def _registries() -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the names of values that the page shows, from where they are defined."""
    from cardiograph.config_outcome import UNNAMED_OUTCOME
    from cardiograph.ecg.measure.reference import MEASUREMENT_GROUPS, MEASUREMENTS
    from cardiograph.ecg.pages import SIGNAL_TITLES
    from cardiograph.encoders.readings import GROUPS, VALUES
    from cardiograph.explain.lead_map import WAVES
    from cardiograph.imaging.reading import FORMAT_TITLES
    from cardiograph.monitor.sample import MISSING, NO_ECG
    from cardiograph.registry import ENCODERS, MODELS
    from cardiograph.schema import KNOWN, Provenance
    from cardiograph.service.monitoring import NO_VALUES
    from cardiograph.service.state import NOTICE
    from cardiograph.survival.evaluation import TITLES

    variables = [known.variable for known in KNOWN]
    yield "schema.py", [text for each in variables for text in (each.name, each.title, each.unit, *each.words)]
    yield "registry.py", [title for each in MODELS.values() for title in (each.title, each.title.split(" (")[0])]
    yield "registry.py", [each.title for each in ENCODERS.values()]
    yield "survival/evaluation.py", TITLES.values()
    yield "config_outcome.py", [UNNAMED_OUTCOME]
    yield "schema.py", get_args(Provenance)
    yield "common names of outcomes and values", COMMON_NAMES
    yield (
        "ecg/measure/reference.py",
        [text for each in MEASUREMENTS.values() if not each.per_lead for text in (each.title, each.unit)],
    )
    yield "ecg/measure/reference.py", MEASUREMENT_GROUPS
    yield "encoders/readings.py", [*(name for names in GROUPS.values() for name in names), *VALUES]
    yield "explain/lead_map.py", WAVES
    yield "monitor/sample.py", [each.removesuffix(MISSING) for each in (NO_ECG, NO_VALUES)]
    yield "imaging/reading.py", [FORMAT_TITLES]
    yield "ecg/pages.py", [SIGNAL_TITLES]
    yield "service/state.py", [NOTICE]


def sentences(source: str, module: str) -> list[str]:
    """Return the texts of several words in a module, with ``{name}`` for each value.

    Args:
        source: Source code.
        module: Name of the module, of which constants within texts are taken.
    """
    tree = ast.parse(source)
    skipped = {id(node) for each in ast.walk(tree) for node in _not_shown(each)}
    found: list[str] = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr | ast.Constant) and (text := _text(node, module)):
            found.append(text)
        literal = isinstance(node, ast.JoinedStr)
        pending.extend(each for each in ast.iter_child_nodes(node) if not (literal and isinstance(each, ast.Constant)))
    return list(dict.fromkeys(reversed(found)))


def _not_shown(node: ast.AST) -> Iterator[ast.AST]:
    """Yield docstrings, decorators, and messages of internal errors, that are below a node."""
    yield from getattr(node, "decorator_list", [])
    body = getattr(node, "body", None)
    for block in (body, getattr(node, "orelse", None)):
        if not isinstance(block, list):
            continue
        for number, statement in enumerate(block):
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement
            internal = isinstance(statement, ast.Raise) and isinstance(statement.exc, ast.Call)
            if internal and getattr(statement.exc.func, "id", "") in INTERNAL:
                yield statement
                if number:
                    yield block[number - 1]


def _text(node: ast.JoinedStr | ast.Constant, module: str) -> str:
    """Return the text of a literal, or an empty string if no page shows it: an identifier, a piece, or a command."""
    values = node.values if isinstance(node, ast.JoinedStr) else [node]
    pieces: list[str] = []
    for value in values:
        if isinstance(value, ast.Constant):
            if not isinstance(value.value, str) or re.search(r"[{}<>\\]", value.value):
                return ""
            pieces.append(value.value)
        elif (constant := _constant(value, module)) is not None:
            pieces.append(constant)
        elif not pieces or not pieces[-1].startswith("{"):  # values side by side are one
            pieces.append(_place(value, pieces))
    text = "".join(pieces).removeprefix("; ").removeprefix(", ")
    words = _WORDS.findall(_PLACE.sub("", text))
    several = len(words) > 1 or (words and len(pieces) > 1 and sum(map(str.isalpha, _PLACE.sub("", text))) >= LETTERS)
    piece = text != text.strip() or " " not in text
    command = _COMMAND.search(text) and not module.startswith("cardiograph.service")
    return "" if piece or command or not several or _NOT_SHOWN.search(text) else text


def _constant(value: ast.expr, module: str) -> str | None:
    """Return the text of a constant of the module within a text."""
    if not isinstance(value, ast.FormattedValue) or not isinstance(value.value, ast.Name):
        return None
    name = value.value.id
    if not name.strip("_").isupper():
        return None
    held = getattr(importlib.import_module(module), name, None)
    spec = "" if value.format_spec is None else "".join(each.value for each in value.format_spec.values)
    return format(held, spec) if isinstance(held, str | int | float) else None


def _place(value: ast.expr, before: list[str]) -> str:
    inner = value.value if isinstance(value, ast.FormattedValue) else value
    names = [each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in ast.walk(inner)]
    name = next((each.strip("_").lower() for each in names if each.strip("_")), "value")
    number = 2
    unique = name
    while f"{{{unique}}}" in before:
        unique, number = f"{name}{number}", number + 1
    return f"{{{unique}}}"


def catalogues() -> Mapping[str, Path]:
    """Return language -> catalogue."""
    return {file.parts[-3]: file for file in sorted(LOCALE.glob("*/LC_MESSAGES/messages.po"))}


def update(code: str, file: Path) -> Catalog:
    """Bring a catalogue to the texts of the sources; texts that no longer exist are removed."""
    catalog = read_po(io.BytesIO(file.read_bytes()), locale=code) if file.is_file() else Catalog(locale=code)
    catalog.update(extracted(), no_fuzzy_matching=True)
    content = io.BytesIO()
    header = HEADER.format(code=code, plurals=catalog.plural_forms)
    write_po(
        content, catalog, width=120, include_lineno=False, sort_by_file=True, ignore_obsolete=True, omit_header=True
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(header.encode() + content.getvalue())
    return catalog


def main(arguments: list[str]) -> None:
    """Update every catalogue, or start one."""
    if arguments[:1] == ["--new"]:
        chosen = {code: LOCALE / code / "LC_MESSAGES" / "messages.po" for code in arguments[1:]}
    else:
        chosen = dict(catalogues())
    for code, file in chosen.items():
        catalog = update(code, file)
        missing = sum(not each.string or not all(each.string) for each in catalog if each.id)
        sys.stdout.write(f"{code}: {len(catalog)} texts, {missing} without translation\n")


if __name__ == "__main__":
    main(sys.argv[1:])
