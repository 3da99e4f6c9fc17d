"""Engines that run an encoder on torch or OpenVINO; an ECG gets the same embedding alone or in a batch."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cardiograph.encoders.conversion import IR_FILES, convert, load_network
from cardiograph.errors import EngineError
from cardiograph.registry import ENCODER_GROUP, Reads, encoder_spec
from cardiograph.threads import available_threads

if TYPE_CHECKING:
    import openvino
    from torch import nn

    from cardiograph.encoders.weights import Weights

TORCH_FILE = "encoder.safetensors"
"""Name of the file of a torch engine in a bundle."""


class Contents(Protocol):
    """Mapping from file names to the contents of files."""

    def __getitem__(self, name: str) -> bytes | memoryview:
        """Return the content of a file."""
        ...


@dataclass(frozen=True)
class EncoderFacts:
    """Everything that determines an embedding; equal facts have equal fingerprints.

    Args:
        weights_sha256: SHA-256 (hex) of the weights.
        weights_source: Description of where the weights come from; not part of the fingerprint.
        engine: ``openvino`` or ``torch``.
        precision: ``f32`` or ``bf16``.
        preparation: Versions and settings of decoding, view and scaling, from
            :func:`cardiograph.encoders.preparation.encoder_preparation`.
        readout: ``final`` or ``texture``.
        device: ``cpu``, or ``cuda`` if torch runs on a GPU.
        architecture: Name of the encoder, see :func:`cardiograph.registry.encoder_spec`.
        reads: What the encoder reads of an ECG: ``page`` or ``leads``.
    """

    weights_sha256: str
    weights_source: str
    engine: str
    precision: str
    preparation: str
    readout: str = "final"
    device: str = "cpu"
    architecture: str = "resnet18"
    reads: Reads = "page"

    @property
    def title(self) -> str:
        """Display name of the encoder."""
        return encoder_spec(self.architecture).title

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything but the description of the source."""
        content = asdict(self) | {"weights_source": ""}
        for name, usual in (("device", "cpu"), ("architecture", "resnet18"), ("reads", "page")):
            if content[name] == usual:
                del content[name]  # defaults are left out: a new field does not invalidate the cache
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Engine(Protocol):
    """Runs the network on one input at a time, so that other inputs cannot change an embedding."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        ...

    def run(self, inputs: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the [width] embedding of each input, in order."""
        ...

    def maps(self, page: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return the [channels, h, w] feature maps of a [3, 224, 224] input that the readout averages, in f32."""
        ...

    def contents(self) -> dict[str, bytes]:
        """Return the contents, by name, of the files that :func:`load_engine` needs."""
        ...


class TorchEngine:
    """The network in torch, in full float32 (no TF32), on one device.

    Each page is a batch of its own, also on a GPU: the shape of a batch determines the kernel of a convolution and so
    the order of its sums.

    Args:
        weights: Parameters of the encoder.
        readout: ``final`` or ``texture``.
        device: ``cpu`` or ``cuda``.
        architecture: Name of the encoder.
    """

    def __init__(
        self, weights: Weights, readout: str = "final", device: str = "cpu", architecture: str = "resnet18"
    ) -> None:
        import torch

        self._torch = torch
        self._device = device
        self.input_shape = encoder_spec(architecture).input_shape
        self._tensors = weights.tensors
        self._network = load_network(weights, readout, architecture).to(device)
        if device != "cpu":
            # set once for the process: setting and resetting them for each page would race with other threads
            cudnn = torch.backends.cudnn
            cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = False, True, False

    def run(self, inputs: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the [width] embedding of each input, in order."""
        for page in inputs:
            with self._torch.inference_mode():
                embedding = self._network(self._torch.from_numpy(page)[None].to(self._device))
            yield embedding.reshape(-1).cpu().numpy()

    def maps(self, page: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return the [channels, h, w] feature maps of a [3, 224, 224] input that the readout averages."""
        from cardiograph.encoders.readout import read_from

        network, found = copy.deepcopy(self._network), []  # hooks on the network itself would also see other threads
        for stage in read_from(network):
            stage.register_forward_hook(lambda _stage, _inputs, output: found.append(output[0].cpu().numpy()))
        with self._torch.inference_mode():
            network(self._torch.from_numpy(page)[None].to(self._device))
        return tuple(found)

    def network_copy(self) -> nn.Module:
        """Return a copy of the network on the CPU, whose gradients can be computed."""
        return copy.deepcopy(self._network).cpu()

    def contents(self) -> dict[str, bytes]:
        """Return the content of ``encoder.safetensors``."""
        from safetensors.torch import save

        return {TORCH_FILE: save({name: tensor.contiguous() for name, tensor in self._tensors.items()})}


class OpenVinoEngine:
    """The network as OpenVINO IR, with one thread per request, so that the number of cores cannot change an embedding.

    A single page is computed by all threads if this gives identical numbers.

    Args:
        ir: Contents of the ``.xml`` and ``.bin`` files. They are kept in memory, because files could change before they
            are compiled again.
        precision: ``f32`` or ``bf16``.

    Raises:
        EngineError: If the processor does not support the precision.
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
        self.input_shape = tuple(int(size) for size in self._model.input(0).shape)[1:]

    def run(self, inputs: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the [width] embedding of each input, in order, with one request in flight per core."""
        waiting = iter(inputs)
        first = list(itertools.islice(waiting, 2))
        if len(first) == 1:
            yield from _in_flight(self._single_page_model or self._model, 1, first)
        else:
            yield from _in_flight(self._model, self._requests, itertools.chain(first, waiting))

    def side_by_side(self) -> None:
        """Use one thread per page from now on, for concurrent callers that share the cores."""
        self._single_page_model = None

    @cached_property
    def _single_page_model(self) -> openvino.CompiledModel | None:
        """Model that uses all threads for one page; None with one thread or if its numbers are not identical."""
        if self._requests == 1:
            return None
        single = self._compiled(streams=1)
        one, other = (next(_in_flight(model, 1, [probe_input(self.input_shape)])) for model in (single, self._model))
        return single if np.array_equal(one, other) else None

    def _compiled(self, streams: int) -> openvino.CompiledModel:
        settings = {
            "INFERENCE_PRECISION_HINT": self._precision,
            "INFERENCE_NUM_THREADS": self._requests,
            "NUM_STREAMS": streams,
        }
        return self._core.compile_model(self._core.read_model(*self._ir), "CPU", settings)

    def maps(self, page: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return the [channels, h, w] feature maps of a [3, 224, 224] input that the readout averages, in f32."""
        request = self._mapping.create_infer_request()
        request.infer({0: page[None]})
        outputs = range(1, len(self._mapping.outputs))
        return tuple(request.get_output_tensor(number).data[0].copy() for number in outputs)

    @cached_property
    def _mapping(self) -> openvino.CompiledModel:
        """The network with its feature maps as further outputs, compiled when the first page is explained.

        The feature maps are the activations (ReLU) that the readout averages over the page.
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
        """Return the contents of ``encoder.xml`` and ``encoder.bin``."""
        return dict(zip(IR_FILES, self._ir, strict=True))


def _in_flight(
    model: openvino.CompiledModel, requests: int, inputs: Iterable[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Yield embeddings in order, with at most ``requests`` requests in flight.

    The function waits for requests and uses no callbacks: the end of a callback needs Python's global lock, which the
    thread that releases the engine may hold while it waits for that callback.
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
    """Return the device of an engine on this machine: ``cuda`` if torch is the engine and sees a GPU, else ``cpu``."""
    if engine != "torch":
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def make_engine(  # noqa: PLR0913 - everything that determines an embedding
    weights: Weights,
    engine: str,
    precision: str,
    *,
    cache: Path,
    readout: str = "final",
    device: str = "cpu",
    architecture: str = "resnet18",
) -> Engine:
    """Create the engine that runs an encoder.

    Args:
        weights: Parameters of the encoder.
        engine: ``openvino`` or ``torch``.
        precision: ``f32`` or ``bf16``.
        cache: Folder that keeps the converted OpenVINO IR.
        readout: ``final`` or ``texture``.
        device: Torch device, from :func:`find_device`; only engine ``torch`` uses it.
        architecture: Name of the encoder.

    Raises:
        EngineError: If the engine or the processor does not support the precision.
    """
    if engine == "torch":
        if precision != "f32":
            message = f"engine torch runs f32 only, not {precision}; use --engine openvino or --precision f32"
            raise EngineError(message)
        return TorchEngine(weights, readout, device, architecture)
    return OpenVinoEngine(convert(weights, readout, cache, architecture), precision)


def load_engine(contents: Contents, facts: EncoderFacts, *, own: bool = False) -> Engine:
    """Load an engine from its files: the kind it was made as, on the same kind of device.

    Args:
        contents: Contents of the files from :meth:`Engine.contents`.
        facts: Facts of the encoder.
        own: Whether the files come from this program, not from a bundle: the facts may then name a module to import.

    Raises:
        EngineError: If the machine lacks the device or does not support the precision.
    """
    if facts.engine == "torch":
        if facts.device not in ("cpu", find_device("torch")):
            message = (
                f"engine torch on device {facts.device}: the pages of this model were embedded on such a device, and "
                "torch finds none here; serve it on a machine with one, or repeat the run on this machine"
            )
            raise EngineError(message)
        from cardiograph.encoders.weights import weights_in

        if ":" in facts.architecture and not own:  # a file must not determine what is imported
            message = (
                f"engine torch: this model needs the encoder {facts.architecture}, and a bundle may not name a module "
                f"to import; give it an entry point in the group {ENCODER_GROUP}, or repeat the run with engine openvino"
            )
            raise EngineError(message)
        content = bytes(contents[TORCH_FILE])
        weights = weights_in(content, Path(TORCH_FILE), facts.weights_source, facts.architecture)
        return TorchEngine(weights, facts.readout, facts.device, facts.architecture)
    xml, weights_bin = (bytes(contents[name]) for name in IR_FILES)
    return OpenVinoEngine((xml, weights_bin), facts.precision)


def supports_bf16() -> bool:
    """Return whether OpenVINO can compute in bfloat16 on this processor."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def probe(engine: Engine) -> NDArray[np.float32]:
    """Return the embedding of one fixed input; a bundle stores it to detect an engine that computes other numbers."""
    (embedding,) = engine.run([probe_input(engine.input_shape)])
    return np.asarray(embedding, np.float32)


def probe_input(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the fixed input of an encoder, whose embedding a bundle stores."""
    values = np.random.default_rng(20250101).normal(size=shape).astype(np.float32)
    if len(shape) == 2:
        values[shape[0] // 2 :] = 1  # masks of the leads: everything was recorded
    return values


def drift(found: NDArray[np.floating[Any]], expected: NDArray[np.float64]) -> float:
    """Return the largest difference of an embedding from the expected one, relative to the largest expected value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def embed_present(engine: Engine, inputs: Sequence[NDArray[np.float32] | None], width: int) -> NDArray[np.float32]:
    """Return [inputs, width] embeddings, NaN where there is no input."""
    found = np.full((len(inputs), width), np.nan, np.float32)
    rows = [row for row, each in enumerate(inputs) if each is not None]
    for row, embedding in zip(rows, engine.run(each for each in inputs if each is not None), strict=True):
        found[row] = embedding
    return found
