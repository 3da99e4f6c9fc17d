"""Which encoder a run takes, and what it says of it."""

import pytest

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import load_config
from cardiograph.progress import Silent
from cardiograph.stages import encoding
from cardiograph.stages.encoding import choose_encoder
from cardiograph.stages.ingest import Survey
from cardiograph.stages.workshop import Workshop


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_device_that_torch_takes_is_told_and_part_of_the_fingerprint(device, monkeypatch, cache_folder):
    asked = {}
    monkeypatch.setattr(encoding, "find_device", lambda engine: device if engine == "torch" else "cpu")
    monkeypatch.setattr(encoding, "make_engine", lambda *_, **options: asked.update(options))
    config = load_config(None, {"encoder": {"weights": "random", "engine": "torch"}})
    with PageCache(cache_folder) as cache:
        facts = choose_encoder(Survey((), ()), Workshop(config, cache, Silent())).facts
    assert facts.device == asked["device"] == device
