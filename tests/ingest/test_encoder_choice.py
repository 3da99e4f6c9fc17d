"""Which encoder a run takes, and what it says of it."""

import pytest

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import load_config
from cardiograph.ingest import encoder_choice
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.encoder_choice import choose_encoder
from cardiograph.ingest.page_index import PageIndex
from cardiograph.progress import NoProgress


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_device_that_torch_takes_is_told_and_part_of_the_fingerprint(device, monkeypatch, cache_folder):
    asked = {}
    monkeypatch.setattr(encoder_choice, "find_device", lambda engine: device if engine == "torch" else "cpu")
    monkeypatch.setattr(encoder_choice, "make_engine", lambda *_, **options: asked.update(options))
    config = load_config(None, {"encoder": {"weights": "random", "engine": "torch"}})
    with PageCache(cache_folder) as cache:
        facts = choose_encoder(PageIndex((), ()), RunContext(config, cache, NoProgress())).facts
    assert facts.device == asked["device"] == device
