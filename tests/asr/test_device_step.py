"""What a CUDA graph needs of a step, shown without a GPU.

The step runs on pretended CUDA tensors, which have shapes and a device but no contents: whatever would need the
contents on the host (a number, a shape that depends on them) raises, and so does a tensor that lies elsewhere. And on
this processor its kernels are the same whatever is said.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gharial_asr.architectures import ARCHITECTURES, random_model
from gharial_asr.checkpoint import Ngram
from gharial_asr.compilation import Arithmetic, compile_checkpoint, compile_weights
from gharial_asr.config import RnntConfig
from gharial_asr.decoding.settings import BEAM, GREEDY, DecoderSettings
from gharial_asr.device.ngram import DeviceNgram
from gharial_asr.device.program import Program
from gharial_asr.device.runner import DeviceModel
from gharial_asr.device.states import DeviceStates
from gharial_asr.device.step import Step
from gharial_asr.endpointing import EndpointSettings
from gharial_asr.inference.eos_logits import EosLogits
from gharial_asr.precision import PRECISIONS, Precision
from gharial_asr.tokenizer import WORD_START
from gharial_server.bench.subject import SpeakingNetwork
from random_ngrams import arpa
from tiny_models import babble, tiny_checkpoint, tiny_tokenizer
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda", 0)
FUZZY = replace(BEAM, fuzzy=True, beam_width=2)


class Recorder(TorchDispatchMode):
    """Notes every kernel with the shapes of what goes in."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[tuple[str, tuple[torch.Size, ...]]] = []
        self.devices: set[torch.device] = set()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        made = func(*args, **(kwargs or {}))
        self.kernels.append((str(func), tuple(tensor.shape for tensor in given)))
        tensors = [*given, *(leaf for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor))]
        self.devices |= {tensor.device for tensor in tensors}
        return made


@contextmanager
def pretended_gpu() -> Iterator[None]:
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode():
        yield


def step_of(model: DeviceModel, batch: int) -> Step:
    return Step(model.network, model.front_end, states_of(model), batch)


def states_of(model: DeviceModel) -> DeviceStates:
    return DeviceStates(model.network, 40, model.front_end.history_samples, model.device, model.decoder(40))


def with_ngram() -> Arithmetic:
    symbols = [piece.replace(" ", WORD_START) for piece in tiny_tokenizer().pieces if piece]
    return compile_checkpoint(replace(tiny_checkpoint(), ngram=Ngram(arpa(2, symbols), 0.05)), "int8")


def tiny() -> Arithmetic:
    """Weights to the nearest: compiling them better reads numbers."""
    checkpoint = tiny_checkpoint()
    weights = compile_weights(checkpoint.config, checkpoint.state_dict, "int8")
    pieces = checkpoint.tokenizer.pieces
    return Arithmetic(checkpoint.config, "int8", weights, checkpoint.mel_mean, checkpoint.mel_variance, pieces)


@pytest.mark.parametrize(
    ("precision", "told", "boosted"),
    [
        *((each, GREEDY, False) for each in PRECISIONS),
        ("bf16", GREEDY, True),
        ("bf16", BEAM, True),
        ("int8", FUZZY, False),
    ],
)
def test_a_step_never_asks_the_device_and_uses_nothing_that_is_not_on_it(
    precision: Precision, told: DecoderSettings, boosted: bool
) -> None:
    with pretended_gpu():
        step = step_of(DeviceModel(tiny(), GPU, precision, told), 8)
        with Recorder() as recorder:
            step.first(boosted)
            step.more(boosted)
    assert recorder.devices == {GPU}
    assert len(recorder.kernels) > 300
    product = {"bf16": "aten.mm.dtype", "int8": "aten._int_mm.default", "float32": "aten.linear.default"}[precision]
    assert sum(name == product for name, _ in recorder.kernels) > 30


class Speaking(DeviceModel):
    network_class = SpeakingNetwork


@pytest.mark.parametrize(("kind", "told"), [(DeviceModel, GREEDY), (Speaking, GREEDY), (Speaking, BEAM)])
def test_nor_with_what_may_change_the_logits_nor_when_slots_are_opened(
    kind: type[DeviceModel], told: DecoderSettings
) -> None:
    with pretended_gpu():
        model = kind(tiny(), GPU, "bf16", told)
        model.change_logits(lambda product: EosLogits(product, 3, EndpointSettings("terminal", eos_multiplier=2.0)))
        states = states_of(model)
        step = Step(model.network, model.front_end, states, 8)
        with Recorder() as recorder:
            states.make_new(torch.zeros(2, dtype=torch.long, device=GPU))
            step.first()
            step.more()
    assert recorder.devices == {GPU}


def test_nor_does_an_n_gram() -> None:
    with pretended_gpu():
        ngram = DeviceNgram(Ngram(arpa(3, ["a", "b"]), 0.05), ("a", "b", "c"), None, GPU)
        with Recorder() as recorder:
            context_QW, tokens_QWC = torch.zeros(2, 3, 4, dtype=torch.long, device=GPU).split((1, 3), 2)
            scores_QWC = ngram.scores(context_QW, tokens_QWC)
            ngram.next(context_QW, tokens_QWC)
    assert scores_QWC.shape == tokens_QWC.shape
    assert recorder.devices == {GPU}


def test_the_pretended_gpu_refuses_to_be_asked() -> None:
    with pretended_gpu(), pytest.raises(DataDependentOutputException):
        bool(torch.zeros(3, device=GPU).sum() > 0)


@pytest.mark.parametrize(
    ("precision", "told", "boosted"),
    [
        *((each, GREEDY, False) for each in PRECISIONS),
        ("bf16", BEAM, False),
        ("bf16", GREEDY, True),
        ("bf16", BEAM, True),
    ],
)
def test_the_kernels_are_the_same_whatever_is_said_and_however_many_streams_there_are(
    precision: Precision, told: DecoderSettings, boosted: bool
) -> None:
    model = DeviceModel(with_ngram(), torch.device("cpu"), precision, told)
    recorded = []
    with torch.inference_mode():
        step = step_of(model, 32)
        program = Program(step, spare=40)
        for rows, loudness in ((32, 1.0), (32, 0.0), (5, 1.0), (32, 1.0)):
            samples = np.stack([babble(0.06, seed=slot) * loudness for slot in range(rows)])
            program.run(np.arange(rows), np.ones(rows, np.int32), samples, boosted)
            with Recorder() as recorder:
                step.first(boosted)
            recorded.append(recorder.kernels)
    assert all(kernels == recorded[0] for kernels in recorded)


@pytest.mark.parametrize("config", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_the_published_sizes_fit_the_kernels_of_int8_without_padding_columns(config: RnntConfig) -> None:
    """cuBLAS wants multiples of 8."""
    with pretended_gpu():
        model = DeviceModel(random_model(config, "int8"), GPU, "int8")
        with Recorder() as recorder:
            step_of(model, 64).first()
    products = [shapes for name, shapes in recorder.kernels if name == "aten._int_mm.default"]
    assert products
    assert all(rows > 16 and inputs % 8 == outputs % 8 == 0 for (rows, inputs), (_, outputs) in products)
    assert not any(name == "aten.constant_pad_nd.default" and len(shapes[0]) == 2 for name, shapes in recorder.kernels)
