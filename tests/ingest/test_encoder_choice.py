"""The choice of the encoder of a run, and the facts that describe it."""

import pytest

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import load_config
from cardiograph.ingest import encoder_choice
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.encoder_choice import choose_encoder
from cardiograph.ingest.page_index import PageIndex
from cardiograph.progress import NoProgress


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_device_of_torch_is_part_of_the_facts(device, monkeypatch, cache_folder):
    options = {}
    monkeypatch.setattr(encoder_choice, "find_device", lambda engine: device if engine == "torch" else "cpu")
    monkeypatch.setattr(encoder_choice, "make_engine", lambda *_, **given: options.update(given))
    config = load_config(None, {"encoder": {"weights": "random", "engine": "torch"}})
    with PageCache(cache_folder) as cache:
        facts = choose_encoder(PageIndex((), ()), RunContext(config, cache, NoProgress())).facts
    assert facts.device == options["device"] == device
