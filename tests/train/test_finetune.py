import numpy as np
import pytest
import torch

from cardiograph.config import load_config
from cardiograph.encoders.ecg_network import EcgNetwork
from cardiograph.encoders.leads_input import input_of
from cardiograph.errors import ConfigError
from cardiograph.synthesis.clinical_heart import ClinicalHeart
from cardiograph.synthesis.clinical_recording import record_hearts
from cardiograph.synthesis.waves import Heart
from cardiograph.train.finetune import ADAPTED, Examples, adapt


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return EcgNetwork().eval()


@pytest.fixture(scope="module")
def examples():
    """Hearts with an inferior infarct (1) and without (0), as training and validation examples."""
    rng, sick = np.random.default_rng(0), np.arange(48) % 2
    hearts = [
        ClinicalHeart(heart=Heart(rate=float(rng.uniform(55, 95)), infarct_inferior=0.5 * label)) for label in sick
    ]
    inputs = np.stack([input_of(signal, samples=250) for signal in record_hearts(hearts, rng).signal])
    return Examples(inputs[:32], sick[:32]), Examples(inputs[32:], sick[32:])


@pytest.fixture(scope="module")
def adapted(network, examples):
    return adapt(network, *examples, seed=0, epochs=4)


def test_validation_improves_and_only_the_last_layers_change(network, examples, adapted):
    assert adapted.losses[adapted.epoch] == min(adapted.losses)
    assert adapted.epoch > 0
    before = network.state_dict()
    changed = {name for name, tensor in adapted.tensors.items() if not torch.equal(tensor, before[name])}
    assert changed and all(name.startswith(ADAPTED) for name in changed)


def test_the_same_seed_gives_the_same_encoder(network, examples, adapted):
    again = adapt(network, *examples, seed=0, epochs=4)
    assert all(torch.equal(tensor, again.tensors[name]) for name, tensor in adapted.tensors.items())


def test_labels_that_mean_nothing_end_early_with_the_best_epoch(network, examples):
    train, val = examples
    rng = np.random.default_rng(1)
    shuffled = adapt(
        network,
        Examples(train.inputs, rng.permutation(train.labels)),
        Examples(val.inputs, rng.permutation(val.labels)),
        seed=0,
        epochs=12,
    )
    assert len(shuffled.losses) <= shuffled.epoch + 6
    assert shuffled.losses[shuffled.epoch] == min(shuffled.losses)


def test_other_encoders_cannot_be_fine_tuned():
    with pytest.raises(ConfigError, match="adapts the encoder ecg, not resnet18"):
        load_config(None, {"encoder": {"name": "resnet18", "finetune": True}})
