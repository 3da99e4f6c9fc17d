"""Engines that run an encoder: a page gets the same embedding alone or in a batch, on torch or OpenVINO."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import EngineError
from cardiograph.imaging.prepare import INPUT_SIZE
from cardiograph.registry import ENCODER_GROUP, encoder_spec
from cardiograph.regular_files import read_regular
from cardiograph.threads import available_threads

if TYPE_CHECKING:
    import openvino
    from torch import nn

    from cardiograph.encoders.weights import Weights

TORCH_FILE, IR_FILES = "encoder.safetensors", ("encoder.xml", "encoder.bin")
"""Names of an engine's files, in a bundle and in the cache."""

_CHECKSUM = "checksum"


class Contents(Protocol):
    """Contents of files by name."""

    def __getitem__(self, name: str) -> bytes | memoryview:
        """The content of a file."""
        ...


@dataclass(frozen=True)
class EncoderFacts:
    """All that decides an embedding; equal facts, equal fingerprint.

    Args:
        weights_sha256: Of the weights.
        weights_source: In words (not part of the fingerprint).
        engine: ``openvino`` or ``torch``.
        precision: ``f32`` or ``bf16``.
        preparation: Versions and settings of reading, view and resizing.
        readout: ``final`` or ``texture``.
        device: ``cpu``, or ``cuda`` where torch ran on a graphics card.
        architecture: Name of the encoder, see :func:`cardiograph.registry.encoder_spec`.
    """

    weights_sha256: str
    weights_source: str
    engine: str
    precision: str
    preparation: str
    readout: str = "final"
    device: str = "cpu"
    architecture: str = "resnet18"

    @property
    def title(self) -> str:
        """Name of the encoder for people."""
        return encoder_spec(self.architecture).title

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over everything but the wording of the source."""
        content = asdict(self) | {"weights_source": ""}
        for name, usual in (("device", "cpu"), ("architecture", "resnet18")):
            if content[name] == usual:
                del content[name]  # embeddings that were cached before there was a choice are still found
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Engine(Protocol):
    """Runs the network on one page at a time, so that company cannot change an embedding."""

    def run(self, inputs: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """[3, 224, 224] pages -> [width] embeddings, in order."""
        ...

    def maps(self, page: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """[3, 224, 224] page -> the [channels, h, w] feature maps that the embedding is read out of, in f32."""
        ...

    def contents(self) -> dict[str, bytes]:
        """The files that :func:`load_engine` needs, by name."""
        ...


class TorchEngine:
    """The network in torch, float32 in full (no TF32), on one device.

    On a graphics card, too, a page is a batch of its own: which kernel a convolution takes, and so the order of its sums,
    goes by the shape of the batch.
    """

    def __init__(
        self, weights: Weights, readout: str = "final", device: str = "cpu", architecture: str = "resnet18"
    ) -> None:
        import torch

        self._torch = torch
        self._device = device
        self._tensors = weights.tensors
        self._network = _loaded(weights, readout, architecture).to(device)
        if device != "cpu":
            # for the whole process: set for each page and reset behind it, they would race with other threads
            cudnn = torch.backends.cudnn
            cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = False, True, False

    def run(self, inputs: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """[3, 224, 224] pages -> [width] embeddings, in order."""
        for page in inputs:
            with self._torch.inference_mode():
                embedding = self._network(self._torch.from_numpy(page)[None].to(self._device))
            yield embedding.reshape(-1).cpu().numpy()

    def maps(self, page: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """[3, 224, 224] page -> the [channels, h, w] feature maps that the embedding is read out of."""
        from cardiograph.encoders.readout import read_from

        network, found = copy.deepcopy(self._network), []  # hooks on the network itself would hear other threads, too
        for stage in read_from(network):
            stage.register_forward_hook(lambda _stage, _inputs, output: found.append(output[0].cpu().numpy()))
        with self._torch.inference_mode():
            network(self._torch.from_numpy(page)[None].to(self._device))
        return tuple(found)

    def contents(self) -> dict[str, bytes]:
        """``encoder.safetensors``."""
        from safetensors.torch import save

        return {TORCH_FILE: save({name: tensor.contiguous() for name, tensor in self._tensors.items()})}


class OpenVinoEngine:
    """The network as OpenVINO IR; one thread a request, so that the number of cores cannot change an embedding.

    A page by itself is computed by all threads where that gives the very same numbers: threads share out what is summed,
    not the sums.

    Args:
        ir: Contents of the ``.xml`` and ``.bin`` file. They are kept: files could change before they are compiled again.
        precision: ``f32`` or ``bf16``.

    Raises:
        EngineError: The machine cannot run this precision.
    """

    def __init__(self, ir: tuple[bytes, bytes], precision: str) -> None:
        import openvino

        self._core = openvino.Core()
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            message = "precision bf16: this processor has no bfloat16 arithmetic; use precision f32"
            raise EngineError(message)
        self._ir, self._precision = ir, precision
        self._requests = available_threads()
        self._model = self._compiled(streams=self._requests)

    def run(self, inputs: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """[3, 224, 224] pages -> [width] embeddings, in order, with a request in flight per core."""
        waiting = iter(inputs)
        first = list(itertools.islice(waiting, 2))
        if len(first) == 1:
            yield from _in_flight(self._lone or self._model, 1, first)
        else:
            yield from _in_flight(self._model, self._requests, itertools.chain(first, waiting))

    def side_by_side(self) -> None:
        """From now on a page by itself takes one thread: for callers that come several at a time and share the cores."""
        self._lone = None

    @cached_property
    def _lone(self) -> openvino.CompiledModel | None:
        """All threads for one page; None where there is one thread, or where the numbers are not the same to the bit."""
        if self._requests == 1:
            return None
        lone = self._compiled(streams=1)
        one, other = (next(_in_flight(model, 1, [_probe_input()])) for model in (lone, self._model))
        return lone if np.array_equal(one, other) else None

    def _compiled(self, streams: int) -> openvino.CompiledModel:
        settings = {
            "INFERENCE_PRECISION_HINT": self._precision,
            "INFERENCE_NUM_THREADS": self._requests,
            "NUM_STREAMS": streams,
        }
        return self._core.compile_model(self._core.read_model(*self._ir), "CPU", settings)

    def maps(self, page: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """[3, 224, 224] page -> the [channels, h, w] feature maps that the embedding is read out of, in f32."""
        request = self._mapping.create_infer_request()
        request.infer({0: page[None]})
        outputs = range(1, len(self._mapping.outputs))
        return tuple(request.get_output_tensor(number).data[0].copy() for number in outputs)

    @cached_property
    def _mapping(self) -> openvino.CompiledModel:
        """The network with its feature maps as further outputs; compiled when the first page is explained.

        They are what is averaged over the page: the inputs of the means that are no moments themselves.
        """
        import openvino

        core = openvino.Core()
        model = core.read_model(*self._ir)
        means = [node for node in model.get_ordered_ops() if node.get_type_name() == "ReduceMean"]
        sources = [node.input_value(0) for node in means]
        maps = [source for source in sources if source.get_node().get_type_name() == "Relu"]
        if not maps:
            message = "attention maps need a residual network (resnet18, resnet50); this encoder has none"
            raise EngineError(message)
        model.add_outputs(maps)
        return core.compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        )

    def contents(self) -> dict[str, bytes]:
        """``encoder.xml`` and ``encoder.bin``."""
        return dict(zip(IR_FILES, self._ir, strict=True))


def _in_flight(
    model: openvino.CompiledModel, requests: int, inputs: Iterable[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Embeddings in order, so many requests at a time.

    Requests are waited for, never called back: a callback's end needs Python's lock, which the thread that drops the
    engine may hold while it waits for that very callback.
    """
    free = [model.create_infer_request() for _ in range(requests)]
    busy: deque[openvino.InferRequest] = deque()
    for page in inputs:
        if not free:
            yield _finished(busy[0])
            free.append(busy.popleft())
        request = free.pop()
        request.start_async({0: page[None]})
        busy.append(request)
    for request in busy:
        yield _finished(request)


def _finished(request: openvino.InferRequest) -> NDArray[np.float32]:
    request.wait()
    embedding: NDArray[np.float32] = request.get_output_tensor(0).data.reshape(-1).copy()
    return embedding


def find_device(engine: str) -> str:
    """Where an engine computes on this machine: ``cuda`` where torch sees such a device, else ``cpu``."""
    if engine != "torch":
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def make_engine(  # noqa: PLR0913 - what decides an embedding
    weights: Weights,
    engine: str,
    precision: str,
    *,
    cache: Path,
    readout: str = "final",
    device: str = "cpu",
    architecture: str = "resnet18",
) -> Engine:
    """An engine for ``weights``; the OpenVINO IR is converted once and kept in ``cache``. ``device`` is torch's.

    Raises:
        EngineError: The machine or the engine cannot run this precision.
    """
    if engine == "torch":
        if precision != "f32":
            message = f"engine torch runs f32 only, asked for {precision}; use --engine openvino or --precision f32"
            raise EngineError(message)
        return TorchEngine(weights, readout, device, architecture)
    return OpenVinoEngine(_converted(weights, readout, cache, architecture), precision)


def load_engine(contents: Contents, facts: EncoderFacts) -> Engine:
    """The engine of a bundle: the one it was built with, on the device it was built on, or an error; never another.

    Args:
        contents: Contents of :meth:`Engine.contents`.
        facts: Facts of the encoder.

    Raises:
        EngineError: The machine lacks the device or cannot run the precision.
    """
    if facts.engine == "torch":
        if facts.device not in ("cpu", find_device("torch")):
            message = (
                f"engine torch on device {facts.device}: the pages of this model were embedded there, and torch sees no "
                "such device here; serve it on a machine with one, or make the run again here"
            )
            raise EngineError(message)
        from cardiograph.encoders.weights import weights_in

        if ":" in facts.architecture:  # a file must not decide what is imported
            message = (
                f"engine torch: this model needs the encoder {facts.architecture}, and a bundle may not name a module to "
                f"import; give it an entry point in the group {ENCODER_GROUP}, or make the run with engine openvino"
            )
            raise EngineError(message)
        content = bytes(contents[TORCH_FILE])
        weights = weights_in(content, Path(TORCH_FILE), facts.weights_source, facts.architecture)
        return TorchEngine(weights, facts.readout, facts.device, facts.architecture)
    xml, weights_bin = (bytes(contents[name]) for name in IR_FILES)
    return OpenVinoEngine((xml, weights_bin), facts.precision)


def supports_bf16() -> bool:
    """Whether OpenVINO can compute in bfloat16 here."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def probe(engine: Engine) -> NDArray[np.float32]:
    """The embedding of one fixed input: a bundle keeps it, to notice an engine that no longer computes the same."""
    (embedding,) = engine.run([_probe_input()])
    return np.asarray(embedding, np.float32)


def _probe_input() -> NDArray[np.float32]:
    return np.random.default_rng(20250101).normal(size=(3, INPUT_SIZE, INPUT_SIZE)).astype(np.float32)


def _loaded(weights: Weights, readout: str, architecture: str) -> nn.Module:
    from cardiograph.encoders.readout import with_readout
    from cardiograph.encoders.weights import build_network

    network = build_network(architecture)
    network.load_state_dict(weights.tensors, strict=False)
    return with_readout(network, readout)


def _converted(weights: Weights, readout: str, cache: Path, architecture: str) -> tuple[bytes, bytes]:
    """The network as OpenVINO IR, from the cache where it is there and as it was written."""
    folder = cache / "encoders" / f"{weights.sha256}-{readout}"
    try:
        kept = tuple(read_regular(folder / name) for name in (*IR_FILES, _CHECKSUM))
    except OSError:
        kept = ()
    if kept and kept[2] == _checksum(kept[0], kept[1]):
        return kept[0], kept[1]
    import openvino
    import torch

    shape = [1, 3, INPUT_SIZE, INPUT_SIZE]
    model = openvino.convert_model(_loaded(weights, readout, architecture), example_input=torch.zeros(shape))
    model.reshape(shape)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{readout}.", dir=folder.parent) as staging:
        openvino.save_model(model, Path(staging) / IR_FILES[0], compress_to_fp16=False)
        xml, weights_bin = (Path(staging, name).read_bytes() for name in IR_FILES)
        Path(staging, _CHECKSUM).write_bytes(_checksum(xml, weights_bin))
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in (*IR_FILES, _CHECKSUM):
            Path(staging, name).chmod(0o600)
            Path(staging, name).replace(folder / name)
    return xml, weights_bin


def _checksum(xml: bytes, weights_bin: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(xml).digest() + weights_bin).hexdigest().encode()
