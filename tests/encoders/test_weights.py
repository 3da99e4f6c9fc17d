"""Weights are the expected ones, or an error is raised; nothing replaces them."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from cardiograph.encoders import weights as module
from cardiograph.encoders.weights import build_network, load_weights
from cardiograph.errors import WeightsError


@pytest.fixture(scope="module")
def tensors():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return build_network().state_dict()


def test_random_weights_follow_the_seed(tmp_path):
    first, again = (load_weights("random", seed=1, cache=tmp_path) for _ in range(2))
    other = load_weights("random", seed=2, cache=tmp_path)
    assert first.sha256 == again.sha256 != other.sha256
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)


def test_random_weights_leave_the_global_generator_alone(tmp_path):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_weights("random", seed=1, cache=tmp_path)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_is_read_without_its_last_layer(tmp_path, tensors, suffix):
    content = {**tensors, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    path = tmp_path / f"w{suffix}"
    save_file(content, path) if suffix == ".safetensors" else torch.save(content, path)
    found = load_weights(str(path), seed=0, cache=tmp_path)
    assert set(found.tensors) == set(tensors)
    assert torch.equal(found.tensors["layer2.0.downsample.0.weight"], tensors["layer2.0.downsample.0.weight"])
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_torchvision_names_without_batch_counters_fit(tmp_path, tensors):
    save_file({name: t for name, t in tensors.items() if "num_batches" not in name}, tmp_path / "w.safetensors")
    assert load_weights(str(tmp_path / "w.safetensors"), seed=0, cache=tmp_path).source == "file w.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("conv1.weight"), "conv1.weight is missing"),
        (lambda t: t.update({"extra": torch.zeros(1)}), "extra does not belong to a ResNet18"),
        (lambda t: t.update({"bn1.bias": torch.zeros(3)}), r"bn1.bias is \(3,\), not \(64,\)"),
        (lambda t: t.update({"bn1.bias": torch.full((64,), float("nan"))}), "non-finite"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, tensors, change, message):
    content = dict(tensors)
    change(content)
    save_file(content, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=message):
        load_weights(str(tmp_path / "w.safetensors"), seed=0, cache=tmp_path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04\x95" + b"x" * 50])
def test_damaged_files_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        load_weights(str(tmp_path / name), seed=0, cache=tmp_path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    import os
    import pickle

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    (tmp_path / "w.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError):
        load_weights(str(tmp_path / "w.pth"), seed=0, cache=tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_says_what_to_give(tmp_path):
    with pytest.raises(WeightsError, match="'imagenet', 'random' or a weights file"):
        load_weights(str(tmp_path / "nowhere.pth"), seed=0, cache=tmp_path)


def test_imagenet_put_there_by_hand_needs_the_pinned_checksum(tmp_path, tensors, monkeypatch):
    path = tmp_path / "weights" / "resnet18.tv_in1k.safetensors"
    path.parent.mkdir()
    save_file(tensors, path)
    with pytest.raises(WeightsError, match="SHA-256 is"):
        load_weights("imagenet", seed=0, cache=tmp_path)
    monkeypatch.setattr(module, "HUB_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    assert load_weights("imagenet", seed=0, cache=tmp_path).source.startswith("ImageNet")


def test_an_unreachable_hub_says_what_to_download_and_where_to_put_it(tmp_path, monkeypatch):
    import huggingface_hub

    calls = []

    def offline(*args, **kwargs):
        calls.append((args, kwargs))
        message = "no route to host"
        raise OSError(message)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(WeightsError) as caught:
        load_weights("imagenet", seed=0, cache=tmp_path)
    for part in (module.HUB_REVISION, module.HUB_SHA256, str(tmp_path / "weights"), "--weights random", "no route"):
        assert part in str(caught.value)
    assert calls[0][1]["revision"] == module.HUB_REVISION


def test_what_the_hub_sends_is_checked(tmp_path, tensors, monkeypatch):
    import huggingface_hub

    save_file(tensors, tmp_path / "sent.safetensors")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: str(tmp_path / "sent.safetensors"))
    with pytest.raises(WeightsError, match=module.HUB_SHA256):
        load_weights("imagenet", seed=0, cache=tmp_path)
