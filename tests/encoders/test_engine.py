"""Both engines give the same 512 numbers, alone or in a batch."""

import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from cardiograph.encoders.engine import EncoderFacts, find_device, load_engine, make_engine, probe, supports_bf16
from cardiograph.encoders.precision import check_precision
from cardiograph.encoders.weights import load_weights
from cardiograph.errors import EngineError


@pytest.fixture(scope="module")
def weights(cache_folder):
    return load_weights("random", seed=0, cache=cache_folder)


@pytest.fixture(scope="module")
def engines(weights, cache_folder):
    return {name: make_engine(weights, name, "f32", cache=cache_folder) for name in ("torch", "openvino")}


@pytest.fixture(scope="module")
def pages():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(3, 224, 224)).astype(np.float32) for _ in range(7)]


def test_engines_agree(engines, pages):
    torch_values, openvino_values = (np.array(list(engine.run(pages))) for engine in engines.values())
    assert torch_values.shape == (7, 512)
    np.testing.assert_allclose(openvino_values, torch_values, atol=1e-4)


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_a_page_alone_gets_what_it_gets_in_company(engines, pages, name):
    together = list(engines[name].run(pages))
    for page, expected in zip(pages[::-1], together[::-1], strict=True):
        (alone,) = engines[name].run([page])
        np.testing.assert_array_equal(alone, expected)


def test_pages_side_by_side_get_what_they_get_in_company(weights, pages, cache_folder):
    engine = make_engine(weights, "openvino", "f32", cache=cache_folder)
    expected = list(engine.run(pages))
    engine.side_by_side()
    with ThreadPoolExecutor(3) as threads:
        alone = threads.map(lambda page: next(engine.run([page])), pages)
        np.testing.assert_array_equal(list(alone), expected)


def test_a_page_alone_is_not_computed_by_a_way_that_gives_other_numbers(weights, pages, cache_folder, monkeypatch):
    other = make_engine(weights, "openvino", "f32", cache=cache_folder, readout="texture")
    engine = make_engine(weights, "openvino", "f32", cache=cache_folder)
    monkeypatch.setattr(engine, "_requests", 2)
    monkeypatch.setattr(engine, "_compiled", lambda streams: other._model)
    (alone,) = engine.run(pages[:1])
    np.testing.assert_array_equal(alone, next(engine.run(pages[:2])))


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_a_saved_engine_computes_the_same(engines, weights, name):
    facts = EncoderFacts(weights.sha256, weights.source, name, "f32", "")
    np.testing.assert_array_equal(probe(load_engine(engines[name].contents(), facts)), probe(engines[name]))


def test_an_encoder_in_the_cache_that_is_not_as_it_was_written_is_made_again(engines, weights, cache_folder, tmp_path):
    (folder,) = cache_folder.glob(f"encoders/resnet18-{weights.sha256}-final")
    shutil.copytree(folder, tmp_path / "encoders" / folder.name)
    path = tmp_path / "encoders" / folder.name / "encoder.bin"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    made = make_engine(weights, "openvino", "f32", cache=tmp_path)
    assert made.contents()["encoder.bin"] == engines["openvino"].contents()["encoder.bin"]
    assert {each.name for each in path.parent.iterdir()} == {"encoder.xml", "encoder.bin", "checksum"}
    kept = make_engine(weights, "openvino", "f32", cache=tmp_path)
    assert kept.contents() == made.contents()


def test_two_encoders_with_the_same_weights_are_converted_each_by_itself(weights, tmp_path, pages):
    for architecture in ("resnet18", "resnet18-ecg"):  # they differ in a stride alone
        found, expected = (
            probe(make_engine(weights, engine, "f32", cache=tmp_path, architecture=architecture))
            for engine in ("openvino", "torch")
        )
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_fingerprint_follows_all_that_decides_an_embedding():
    facts = EncoderFacts("sha", "in words", "torch", "f32", "page=1")
    for change in ({"weights_sha256": "x"}, {"engine": "openvino"}, {"precision": "bf16"}, {"preparation": "page=2"}):
        assert dataclasses.replace(facts, **change).fingerprint != facts.fingerprint
    assert dataclasses.replace(facts, weights_source="other words").fingerprint == facts.fingerprint


def test_torch_refuses_bf16(weights, cache_folder):
    with pytest.raises(EngineError, match="engine torch runs f32 only"):
        make_engine(weights, "torch", "bf16", cache=cache_folder)


def test_openvino_refuses_bf16_where_the_processor_has_none(weights, cache_folder):
    if supports_bf16():
        assert make_engine(weights, "openvino", "bf16", cache=cache_folder) is not None
    else:
        with pytest.raises(EngineError, match="no bfloat16"):
            make_engine(weights, "openvino", "bf16", cache=cache_folder)


def test_precision_check_accepts_equal_and_refuses_coarse_embeddings():
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(80, 40)).astype(np.float32)
    assert check_precision(exact, exact, k=5, min_std=0.01).allowed
    assert (
        check_precision(
            exact, exact + 0.001 * rng.normal(size=exact.shape).astype(np.float32), k=5, min_std=0.01
        ).rms_error
        < 0.01
    )
    coarse = check_precision(exact, exact + 0.3 * rng.normal(size=exact.shape).astype(np.float32), k=5, min_std=0.01)
    assert not coarse.allowed
    assert coarse.rms_error == pytest.approx(0.4, abs=0.1)  # the largest of forty features around 0.3
    assert coarse.pages_kept < 0.99


def test_precision_check_ignores_dead_features():
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(80, 40)).astype(np.float32)
    exact[:, 3] = 1
    coarse = exact.copy()
    coarse[:, 3] += rng.normal(size=80).astype(np.float32)
    assert check_precision(exact, coarse, k=5, min_std=0.01).allowed


@pytest.mark.parametrize("readout", ["final", "texture"])
def test_both_engines_give_the_maps_that_the_embedding_is_read_out_of(weights, cache_folder, pages, readout):
    found = {}
    for name in ("torch", "openvino"):
        engine = make_engine(weights, name, "f32", cache=cache_folder, readout=readout)
        (before,) = engine.run(pages[:1])
        maps = engine.maps(pages[0])
        means = np.concatenate([each.mean((1, 2)) for each in maps])
        spreads = np.concatenate([each.std((1, 2)) for each in maps])
        read_out = means if readout == "final" else np.concatenate([means[:64], spreads])
        np.testing.assert_allclose(read_out, before, rtol=1e-4, atol=1e-5)
        (after,) = engine.run(pages[:1])
        np.testing.assert_array_equal(before, after)
        found[name] = maps
    sides = {"final": [(512, 14, 14)], "texture": [(64, 112, 112), (128, 56, 56), (256, 28, 28)]}[readout]
    assert [each.shape for each in found["torch"]] == sides
    for first, second in zip(*found.values(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-4)


CPU_FACTS = EncoderFacts("sha", "in words", "torch", "f32", "page=1")


def test_what_was_embedded_on_a_cpu_keeps_its_fingerprint_and_a_graphics_card_has_another():
    before_there_were_devices = "9e99c1ebcdfd876dfa682a12ea8b872c4edafe92da83f758ea4e85aaae321a16"
    assert CPU_FACTS.fingerprint == before_there_were_devices
    assert dataclasses.replace(CPU_FACTS, device="cuda").fingerprint != before_there_were_devices


@pytest.mark.parametrize(("there", "device"), [(True, "cuda"), (False, "cpu")])
def test_torch_alone_takes_a_graphics_card_where_there_is_one(monkeypatch, there, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert find_device("torch") == device
    assert find_device("openvino") == "cpu"


def test_a_model_made_on_a_graphics_card_is_not_served_without_one(engines, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match=r"on device cuda.* none here; serve it on a machine with one"):
        load_engine(engines["torch"].contents(), dataclasses.replace(CPU_FACTS, device="cuda"))


def test_a_model_made_on_a_cpu_stays_there_although_there_is_a_gpu(engines, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    np.testing.assert_array_equal(probe(load_engine(engines["torch"].contents(), CPU_FACTS)), probe(engines["torch"]))


def test_off_the_cpu_the_page_goes_where_the_network_is_and_nothing_is_rounded(weights, cache_folder, pages):
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True):
        engine = make_engine(weights, "torch", "f32", cache=cache_folder, device="meta")
        cudnn = torch.backends.cudnn
        assert (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (False, True, False)
    with pytest.raises(NotImplementedError, match="meta"):  # a device that computes shapes and holds no numbers
        next(engine.run(pages))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graphics_card_gives_the_same_alone_in_company_and_nearly_on_a_cpu(engines, weights, cache_folder, pages):
    card = make_engine(weights, "torch", "f32", cache=cache_folder, device="cuda")
    together = np.array(list(card.run(pages)))
    np.testing.assert_array_equal(together, [next(card.run([page])) for page in pages])
    np.testing.assert_allclose(together, np.array(list(engines["torch"].run(pages))), atol=1e-4)
