"""The compiled artefact (`.gharial`): one safetensors file with everything that recognition needs.

Tensors: int8 matrices as the native kernel reads them, where they lie in the mapped file; biases and mel statistics in
float32, the SentencePiece model and the n-gram as bytes. The header's metadata says format, version, target and
configuration. The digest is the sha256 of the file's bytes. docs/reference/artefact.md lists every name.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gharial_asr.architectures import architecture_name
from gharial_asr.checkpoint import Ngram
from gharial_asr.compilation import TARGETS, CompiledModel
from gharial_asr.config import RnntConfig
from gharial_asr.decoding.beam.search import MAX_SYMBOLS as BEAM_SYMBOLS
from gharial_asr.decoding.greedy import MAX_SYMBOLS
from gharial_asr.inference.dense import Int8Weight, Weight, packed, plain
from gharial_asr.inference.lstm import LayerWeights
from gharial_asr.inference.native.packed import GROUP, MOST_INPUTS, PANEL, PackedWeight
from gharial_asr.inference.network import NetworkWeights, Projection
from gharial_asr.precision import Precision
from gharial_asr.tensor_file import ALIGNMENT, save_aligned
from gharial_asr.tokenizer import Tokenizer

FORMAT = "gharial-artefact"
FORMAT_VERSION = 2
METADATA_KEY = "gharial"
# The most symbols that one encoder output may emit, per decoder: a card fixes them when the artefact is loaded.
SYMBOLS_PER_STEP = {"greedy": MAX_SYMBOLS, "beam": BEAM_SYMBOLS}


# What there is of a matrix.
PARTS = [field.name for field in fields(PackedWeight) if field.name != "inputs"]


class ArtefactError(ValueError):
    """A file that is no usable artefact. The message names the file, what is wrong and the remedy."""


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def looks_like_artefact(path: Path) -> bool:
    """True for a safetensors file: eight bytes of length, then JSON. A torch checkpoint is a zip file or a pickle."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def write_artefact(model: CompiledModel, path: Path) -> str:
    """Writes an int8 model; the file appears whole or not at all. Returns its digest. Raises OSError."""
    tensors: dict[str, Tensor] = {}

    def put(name: str, weight: Weight) -> None:
        if isinstance(weight, Tensor):
            raise ValueError("an artefact holds int8 weights; compile the checkpoint with precision int8")
        arranged = packed(weight)
        tensors.update({f"{name}.{part}": getattr(arranged, part) for part in PARTS})

    weights = model.weights
    for name, layers in (("pre", weights.pre), ("post", weights.post), ("prediction", weights.prediction)):
        for i, layer in enumerate(layers):
            put(f"{name}.{i}.recurrent", layer.recurrent)
            if layer.inputs is not None:
                put(f"{name}.{i}.inputs", layer.inputs)
            tensors[f"{name}.{i}.bias"] = layer.bias
    for name in ("joint_encoder", "joint_prediction", "joint_output"):
        projection: Projection = getattr(weights, name)
        put(name, projection.weight)
        tensors[f"{name}.bias"] = projection.bias
    if not isinstance(weights.embedding, Tensor):
        tensors["embedding.values"], tensors["embedding.scale"] = weights.embedding.values, weights.embedding.scale
    tensors["mel_mean"], tensors["mel_variance"] = model.mel_mean, model.mel_variance
    tensors["sentencepiece"] = torch.frombuffer(bytearray(model.tokenizer.model), dtype=torch.uint8)
    if model.ngram is not None:
        tensors["ngram"] = torch.frombuffer(bytearray(model.ngram.binary), dtype=torch.uint8)
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "target": model.target,
        "architecture": architecture_name(model.config),
        "symbols_per_step": SYMBOLS_PER_STEP,
        "ngram_scale_factor": None if model.ngram is None else model.ngram.scale_factor,
        "model_version": model.version,
        "needed_bitstream": model.needed_bitstream,
        "rnnt_config": model.config.model_dump(mode="json"),
    }
    partial = path.with_name(path.name + ".part")
    try:
        save_aligned(tensors, partial, {METADATA_KEY: json.dumps(header, sort_keys=True)})
        # Servers that run as other users have to read it.
        partial.chmod(0o644)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(
            f"{path} cannot be written ({error}); name a file in a folder that is there, with room"
        ) from error
    return file_digest(path)


def read_artefact(path: Path, precision: Precision = "int8") -> CompiledModel:
    """Maps an artefact into memory and checks it. Raises ArtefactError, OSError."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ArtefactError(f"{path} is damaged ({error}); compile it again with `gharial compile`") from error
    try:
        return _Reader(tensors, precision).model(_checked(header), file_digest(path))
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}; compile it again with `gharial compile`") from error


def _checked(header: object) -> dict[str, Any]:
    """The header, once it says what this program can run."""
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ArtefactError(f"the header does not say it is a {FORMAT}")
    if header.get("format_version") != FORMAT_VERSION:
        raise ArtefactError(f"format version {header.get('format_version')}, this program reads {FORMAT_VERSION}")
    if (target := header.get("target")) not in TARGETS:
        known = f"{', '.join(TARGETS[:-1])} and {TARGETS[-1]}"
        raise ArtefactError(f"compiled for target {target!r}, this program runs {known}")
    limits = header.get("symbols_per_step")
    if not isinstance(limits, dict) or SYMBOLS_PER_STEP | limits != SYMBOLS_PER_STEP:
        raise ArtefactError(f"compiled for {limits} symbols per step, this program decodes with {SYMBOLS_PER_STEP}")
    return header


@dataclass(frozen=True)
class _Reader:
    tensors: dict[str, Tensor]
    precision: Precision

    def model(self, header: dict[str, Any], digest: str) -> CompiledModel:
        try:
            config = RnntConfig.model_validate(header.get("rnnt_config"))
            ngram = self.ngram(header.get("ngram_scale_factor"))
            tokenizer = Tokenizer(self.take("sentencepiece", torch.uint8, None).numpy().tobytes())
        except ValidationError as error:
            first = error.errors()[0]
            raise ArtefactError(f"{'.'.join(map(str, ('rnnt_config', *first['loc'])))}: {first['msg']}") from error
        except ValueError as error:
            raise ArtefactError(str(error)) from error
        if tokenizer.size != config.tokenizer.vocab_size:
            raise ArtefactError(f"{tokenizer.size} pieces, but rnnt_config says {config.tokenizer.vocab_size}")
        filters = config.input_val.filterbank_features.n_filt
        return CompiledModel(
            config=config,
            precision=self.precision,
            weights=self.weights(config),
            mel_mean=self.take("mel_mean", torch.float32, (filters,)),
            mel_variance=self.take("mel_variance", torch.float32, (filters,)),
            pieces=tokenizer.pieces,
            tokenizer=tokenizer,
            version=str(header.get("model_version", "")),
            digest=digest,
            needed_bitstream=str(header.get("needed_bitstream", "")),
            target=header["target"],
            ngram=ngram,
        )

    def ngram(self, scale_factor: float | None) -> Ngram | None:
        if scale_factor is None:
            return None
        return Ngram(self.take("ngram", torch.uint8, None).numpy().tobytes(), float(scale_factor))

    def take(self, name: str, dtype: torch.dtype, shape: tuple[int, ...] | None) -> Tensor:
        tensor = self.tensors.get(name)
        if tensor is None:
            raise ArtefactError(f"{name} is missing")
        if tensor.dtype != dtype or (shape is not None and tuple(tensor.shape) != shape):
            raise ArtefactError(f"{name} is {tensor.dtype} {tuple(tensor.shape)}, not {dtype} {shape}")
        if tensor.data_ptr() % tensor.itemsize:
            raise ArtefactError(f"{name} begins in the middle of an element")
        return tensor

    def weight(self, name: str, rows: int, columns: int) -> Weight:
        """A matrix that the kernel reads nothing beyond."""
        panels, groups = -(-rows // PANEL), -(-columns // GROUP)
        if columns > MOST_INPUTS:
            raise ArtefactError(f"{name} has {columns} columns; the most are {MOST_INPUTS}")
        weight = PackedWeight(
            panels=self.take(f"{name}.panels", torch.int8, (panels, groups, PANEL, GROUP)),
            order=self.take(f"{name}.order", torch.uint16, (panels, groups)),
            pairs=self.take(f"{name}.pairs", torch.int32, (panels,)),
            sums=self.take(f"{name}.sums", torch.int32, (panels, PANEL)),
            scale=self.take(f"{name}.scale", torch.float32, (rows,)),
            inputs=columns,
        )
        if weight.panels.data_ptr() % ALIGNMENT:
            raise ArtefactError(f"{name}.panels begins at no multiple of {ALIGNMENT} bytes")
        if (last := int(weight.order.numpy().max())) >= groups:
            raise ArtefactError(f"{name}.order names group {last} of {groups}")
        least, most = (int(found) for found in weight.pairs.aminmax())
        if least < 0 or most > groups // 2:
            raise ArtefactError(f"{name}.pairs has {least if least < 0 else most} pairs of {groups} groups")
        return weight if self.precision == "int8" else self.at_precision(plain(weight))

    def at_precision(self, weight: Tensor | Int8Weight) -> Tensor | Int8Weight:
        if self.precision == "float32" and isinstance(weight, Int8Weight):
            return weight.dequantised()
        return weight

    def embedding(self, rows: int, columns: int) -> Tensor | Int8Weight:
        values = self.take("embedding.values", torch.int8, (rows, columns))
        return self.at_precision(Int8Weight(values, self.take("embedding.scale", torch.float32, (rows,))))

    def projection(self, name: str, rows: int, columns: int) -> Projection:
        return Projection(self.weight(name, rows, columns), self.take(f"{name}.bias", torch.float32, (rows,)))

    def stack(self, name: str, layers: int, inputs: int, hidden: int, bounded: bool) -> tuple[LayerWeights, ...]:
        def layer(i: int) -> LayerWeights:
            rows, columns, prefix = 4 * hidden, inputs if i == 0 else hidden, f"{name}.{i}"
            bias = self.take(f"{prefix}.bias", torch.float32, (rows,))
            if bounded or i > 0:
                return LayerWeights(self.weight(f"{prefix}.recurrent", rows, columns + hidden), None, bias)
            apart = self.weight(f"{prefix}.inputs", rows, columns)
            return LayerWeights(self.weight(f"{prefix}.recurrent", rows, hidden), apart, bias)

        return tuple(layer(i) for i in range(layers))

    def weights(self, config: RnntConfig) -> NetworkWeights:
        sizes = config.rnnt
        encoder, prediction, joint = sizes.enc_n_hid, sizes.pred_n_hid, sizes.joint_n_hid
        stacked = encoder * sizes.enc_stack_time_factor
        return NetworkWeights(
            pre=self.stack("pre", sizes.enc_pre_rnn_layers, sizes.in_feats, encoder, bounded=False),
            post=self.stack("post", sizes.enc_post_rnn_layers, stacked, encoder, bounded=True),
            prediction=self.stack("prediction", sizes.pred_rnn_layers, prediction, prediction, bounded=False),
            embedding=self.embedding(config.blank, prediction),
            joint_encoder=self.projection("joint_encoder", joint, encoder),
            joint_prediction=self.projection("joint_prediction", joint, prediction),
            joint_output=self.projection("joint_output", config.n_classes, joint),
        )
