"""A language for tests: written from right to left, with brackets around each translated text."""

import re

import pytest
from scripts.translations import catalogues

from cardiograph.service.web import language
from cardiograph.service.web.language import load_languages

PLACES = re.compile(r"%\(\w+\)s|\{\w+\}")


def bracketed(text):
    """The text in brackets that stay outside of its places, so that a value in a place has to be translated itself."""
    return "".join(
        each if PLACES.fullmatch(each) else f"⟦{each}⟧" for each in re.split(f"({PLACES.pattern})", text) if each
    )


@pytest.fixture(scope="session")
def pseudo_languages(tmp_path_factory):
    """English, and a language that is written from right to left and has brackets around each translated text."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po, write_po

    catalogue = Catalog(locale="ar")
    for each in read_po(catalogues()["fr"].open("rb")):
        if each.id:
            many = isinstance(each.id, tuple)
            forms = tuple(bracketed(each.id[1]) for _ in range(catalogue.num_plurals)) if many else bracketed(each.id)
            catalogue.add(each.id, forms)
    file = tmp_path_factory.mktemp("locale") / "ar" / "LC_MESSAGES" / "messages.po"
    file.parent.mkdir(parents=True)
    with file.open("wb") as opened:
        write_po(opened, catalogue)
    return load_languages(file.parents[2])


@pytest.fixture
def pseudo(pseudo_languages, monkeypatch):
    """Applications that are made now speak the pseudo-language."""
    from cardiograph.service import app
    from cardiograph.service.web import site

    for module in (app, site, language):
        monkeypatch.setattr(module, "languages", lambda: pseudo_languages)
