"""Languages of the web UI: complete catalogues, the choice of a language, and pages without a word of English."""

import ast
import html
import re
import threading
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from scripts.translations import catalogues, extracted
from starlette.requests import HTTPConnection
from tests.service.conftest import RunningService
from tests.service.test_monitoring import fill
from tests.service.web.conftest import PLACES
from tests.service.web.test_routes import Form, typed

from cardiograph.errors import InputError
from cardiograph.inference.labels import load_any
from cardiograph.service.web import language
from cardiograph.service.web.cautions import cautions
from cardiograph.service.web.form import parse_form
from cardiograph.service.web.formats import day, distance, percent
from cardiograph.service.web.language import current, languages, speaking
from cardiograph.service.web.language_choice import COOKIE, chosen_code
from cardiograph.service.web.other_texts import translated
from cardiograph.service.web.plain_words import sentence
from cardiograph.service.web.risk_words import amount, duration, probability_sentence

NARROW = "\N{NARROW NO-BREAK SPACE}"
ARABIC = {"accept-language": "ar", "accept": "text/html"}


@pytest.fixture(scope="module")
def catalogue_texts():
    return {each.id: each for each in extracted() if each.id}


@pytest.fixture(params=sorted(catalogues()))
def catalogue(request):
    return read_po(catalogues()[request.param].open("rb"))


def test_a_catalogue_holds_exactly_the_texts_of_the_sources(catalogue, catalogue_texts):
    held = {each.id for each in catalogue if each.id}
    assert held == set(catalogue_texts), "run `make translations` and translate the new texts"


def test_no_call_escapes_the_collection(catalogue_texts):
    folder = Path(language.__file__).parent
    calls = [node for file in folder.glob("*.py") for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = {"gettext", "ngettext", "deferred"}
    calls = [node for node in calls if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names]
    texts = {node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)}
    collected = {each if isinstance(each, str) else each[0] for each in catalogue_texts}
    assert len(texts) > 100 and texts <= collected  # Babel does not see calls within f-strings


def test_every_text_is_translated_with_the_same_places(catalogue):
    for each in (each for each in catalogue if each.id):
        sources = each.id if isinstance(each.id, tuple) else (each.id,)
        found = each.string if isinstance(each.string, tuple) else (each.string,)
        assert not each.fuzzy and all(found), f"{sources[0]!r} is not translated"
        assert len(found) == (catalogue.num_plurals if len(sources) > 1 else 1)
        places = sorted(PLACES.findall(sources[-1]))
        assert all(sorted(PLACES.findall(text)) == places for text in found), sources[0]
        marks = [text.count("%%") for text in (*sources, *found)]
        assert max(marks) == min(marks) or not any("%(" in text for text in sources), sources[0]


def test_french_punctuation_has_narrow_spaces_that_do_not_break():
    for each in languages()["fr"].texts.values():
        plain = PLACES.sub("x", each)
        assert not re.search(r"(?<=\S) [;:!?»%]|« |“|”|[^\W\d]'[^\W\d]", plain), each
        assert not re.search(r"\w[;!?»]", plain.replace("&", "")), each


@pytest.mark.parametrize(
    ("asked", "cookie", "address", "code"),
    [
        ("", "", "", "en"),
        ("fr", "", "", "fr"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "", "", "fr"),
        ("de;q=1, en;q=0.2, fr;q=0.7", "", "", "fr"),
        ("fr;q=0, *", "", "", "en"),
        ("de, ???;q=x, ;q=1", "", "", "en"),
        ("fr", "en", "", "en"),
        ("en", "xx", "", "en"),
        ("en", "en", "fr", "fr"),
        ("fr", "", "xx", "fr"),
    ],
)
def test_the_address_wins_over_the_cookie_and_the_cookie_over_the_browser(asked, cookie, address, code):
    headers = [(b"accept-language", asked.encode()), (b"cookie", f"{COOKIE}={cookie}".encode())]
    scope = {"type": "http", "headers": headers, "query_string": f"lang={address}".encode()}
    assert chosen_code(HTTPConnection(scope), languages()) == code


def test_the_switch_keeps_the_page_and_is_remembered(served):
    switched = served.client.get("/predictions?x=1&lang=fr", headers={"accept": "text/html"})
    assert '<html lang="fr" dir="ltr">' in switched.text and "Vos prédictions" in switched.text
    assert 'href="?x=1&amp;lang=en" lang="en" hreflang="en">English' in switched.text
    assert switched.headers["content-language"] == "fr"
    assert {"Accept-Language", "Cookie"} <= {each.strip() for each in switched.headers["vary"].split(",")}
    cookie = switched.headers["set-cookie"]
    assert "SameSite=lax" in cookie and "HttpOnly" in cookie
    later = served.client.get("/", headers={"accept": "text/html", "accept-language": "en"})
    assert '<html lang="fr"' in later.text and "set-cookie" not in later.headers
    assert "Retour au formulaire" in served.client.get("/predictions/none", headers={"accept": "text/html"}).text


def test_the_interface_for_programs_stays_english(served, values):
    answer = served.ask(values=values, headers={"accept-language": "fr"})
    assert "content-language" not in answer.headers
    assert any(each.startswith("scored without an ECG page") for each in answer.json()["prediction"]["warnings"])
    refused = served.ask(values={"age": 700}, headers={"accept-language": "fr"})
    assert refused.json()["issues"][0]["rule"] == "allowed 0-120 years"
    problem = served.client.get("/predictions/none", headers={"accept-language": "fr", "accept": "application/json"})
    assert problem.json()["detail"].startswith("There is no prediction")


def test_numbers_dates_and_times_are_french():
    with speaking(languages()["fr"]):
        assert percent(0.4831) == f"48,3{NARROW}%"
        assert distance(3.4178) == "3,42"
        assert day("2026-11-29T16:38:00+00:00") == "29 novembre 2026 à 16:38 UTC"
        assert duration(365, "days") == "un an" and duration(730.5, "days") == "deux ans"
        assert amount(1826.25, "days") == f"1{NARROW}826,25\N{NO-BREAK SPACE}jours"
        assert amount(1, "months") == "1\N{NO-BREAK SPACE}mois"
        answer = {"decision": "positive", "probability": 0.012, "low": 0.004, "high": 0.02, "outcome": "heart failure"}
        assert probability_sentence(answer) == (
            "Sur 100 patients comparables, environ 1 (0 à 2) devrait présenter l’issue clinique "
            f"«{NARROW}insuffisance cardiaque{NARROW}»."
        )
    assert percent(0.4831) == "48.3\N{NO-BREAK SPACE}%"


def test_a_decimal_comma_is_read_where_it_is_written(predictor):
    variables = predictor.bundle.scaler.variables
    typed = parse_form({"value-ef": b"0,34", "value-age": b"70.5"}, variables)
    assert typed.numbers == {"age": 70.5}
    assert "is not a number" in typed.faults(predictor.bundle)["ef"]
    with speaking(languages()["fr"]):
        assert typed.numbers == {"ef": 0.34, "age": 70.5}
        assert "n’est pas un nombre" in parse_form({"value-ef": b"x"}, variables).faults(predictor.bundle)["ef"]


def test_warnings_of_a_stored_prediction_are_translated(predictor):
    answer = predictor.predict(None, {"ef": 0.07, "age": 20}).as_dict()
    with speaking(languages()["fr"]):
        titles = {each.name: translated(each.title) for each in predictor.bundle.scaler.variables}
        found = cautions(answer, titles, None)
    assert found.doubts[0] == f"Pas de page d’ECG{NARROW}: l’estimation s’en passe."
    assert any(
        each.startswith(f"Âge{NARROW}: 20 ans{NARROW}; les enregistrements d’entraînement allaient de")
        for each in found.doubts
    )
    given = (
        f"Non renseigné{NARROW}: peptide natriurétique de type B, Classe NYHA, pression artérielle systolique{NARROW};"
    )
    assert any(each.startswith(given) for each in found.notes)


def test_texts_that_contain_one_another_are_taken_apart():
    text = (
        "On these 73 test records the graph (SIGN) did not help: AUROC 0.990 against the same features without it "
        "(Logistic regression, which validation records chose: 0.989, difference +0.001, 95 % interval -0.003 to +0.004; "
        "Logistic regression: 0.991, difference -0.001, 95 % interval -0.066 to +0.000)."
    )
    with speaking(languages()["fr"]):
        assert translated(text) == (
            f"Sur ces 73 enregistrements de test, le graphe (SIGN) n’a pas été utile{NARROW}: AUROC 0,990 contre les mêmes "
            "variables sans lui (Régression logistique, choix fait sur les enregistrements de validation"
            f"{NARROW}: 0,989, différence +0,001, intervalle à 95{NARROW}% de -0,003 à +0,004{NARROW}; Régression logistique"
            f"{NARROW}: 0,991, différence -0,001, intervalle à 95{NARROW}% de -0,066 à +0,000)."
        )
        assert translated("a text that no catalogue holds") == "a text that no catalogue holds"
    assert translated(text) == text


def test_each_thread_speaks_its_own_language():
    shown, meet = {}, threading.Barrier(2)

    def speak(code):
        with speaking(languages()[code]):
            meet.wait(10)
            shown[code] = percent(0.5)
            meet.wait(10)
        shown[f"after {code}"] = current().code

    threads = [threading.Thread(target=speak, args=(code,)) for code in ("en", "fr")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert shown["fr"] == f"50,0{NARROW}%" and shown["en"] == "50.0\N{NO-BREAK SPACE}%"
    assert shown["after fr"] == shown["after en"] == "en"


class Shown(HTMLParser):
    """Collects what a page shows: its text, and the attributes that are read aloud or shown."""

    ATTRIBUTES = (
        *("alt", "title", "aria-label", "placeholder", "data-announcement", "data-no-response"),
        *("data-too-large-file", "data-too-large-files"),
    )

    def __init__(self, page):
        super().__init__()
        self.pieces, self.skipping = [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.skipping = tag in ("script", "style")
        self.pieces += [value for name, value in attributes if name in self.ATTRIBUTES and value]

    def handle_endtag(self, tag):
        self.skipping = False

    def handle_data(self, data):
        if not self.skipping:
            self.pieces.append(data)


NAMES = re.compile(
    r"cardiograph|GraphML|English|AUROC|ResNet18|JPEG|PNG|GIF|[0-9a-f]{32,}|P\d+-\d+|\bI+\b|aV[RLF]|SHA-256|\{size\}"
)
"""Names that are the same in every language: records, hashes, leads, formats, models."""


def english_of(page, *names):
    """Words of a page outside of all brackets."""
    shown, depth, found = " ".join(Shown(page).pieces), 0, []
    for mark in shown:
        depth += {"⟦": 1, "⟧": -1}.get(mark, 0)
        if depth == 0:
            found.append(mark)
    text = "".join(found)
    for each in names:
        text = text.replace(each, "")
    return re.findall(r"[A-Za-z]{2,}.{0,40}", NAMES.sub("", html.unescape(text)))


def pages_of(served, values, page=None):
    """Every page of the web UI, with the answer of one patient and its explanation; some are refusals for some runs."""
    client = served.client
    client.headers |= ARABIC
    answer = Form(served, ARABIC).send(page, **typed(values)).text
    place = re.search(r'hx-get="([^"]+)"', answer)[1]
    return {
        "form": client.get("/").text,
        "example": client.get("/example").text,
        "answer": answer,
        "explanation": client.get(place).text,
        "history": client.get("/predictions").text,
        "graph": client.get("/graph").text,
        "report": client.get("/report").text,
        "monitoring": client.get("/monitoring").text,
        "not found": client.get("/predictions/none").text,
        "expired": Form(served, ARABIC).send(**{"token": "1.x"}).text,
    }


def test_no_page_shows_a_word_that_was_not_translated(pseudo, served, page, values):
    fill(served, shift=45)  # the monitoring page has something to show
    shown = pages_of(served, values, page)
    found = {name: english_of(each, served.settings.run.name) for name, each in shown.items()}
    assert not any(found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["survival_run", "labels_run"])
def test_answers_of_other_kinds_show_no_word_that_was_not_translated(pseudo, request, tmp_path, kind):
    run = request.getfixturevalue(kind)
    served = RunningService(load_any(run), tmp_path, run=run)
    with served.client:
        shown = pages_of(served, {"ef": 0.3, "age": 60})
    found = {name: english_of(each, run.name) for name, each in shown.items()}
    assert not any(found.values()), found


def test_faults_of_a_form_are_translated(pseudo_languages, predictor):
    wrong = {"value-ef": b"34", "value-bnp": b"x", "value-nyha": b"2.5", "value-age": b"700", "value-sbp": b"9"}
    with speaking(pseudo_languages["ar"]):
        found = parse_form(wrong, predictor.bundle.scaler.variables).faults(predictor.bundle)
    assert set(found) == {"ef", "bnp", "nyha", "age", "sbp"}
    left = {name: english_of(text) for name, text in found.items()}
    assert not any(left.values()), left


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n" + bytes(40), bytes(600)])
def test_faults_of_a_file_are_translated(pseudo_languages, predictor, content):
    with pytest.raises(InputError) as caught:
        predictor.predict(content, {})
    with speaking(pseudo_languages["ar"]):
        found = [sentence(issue) for issue in caught.value.issues]
    assert found
    left = [english_of(text, "Failed to load document (PDFium: Data format error).") for text in found]
    assert not any(left), left
