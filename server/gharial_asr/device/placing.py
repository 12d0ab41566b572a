"""A compiled model's weights and front end on a device."""

from dataclasses import replace

import torch
from torch import Tensor

from gharial_asr.compilation import Arithmetic
from gharial_asr.device.products import products
from gharial_asr.features import Features
from gharial_asr.inference.dense import Int8Weight, Weight, plain
from gharial_asr.inference.lstm import LayerWeights
from gharial_asr.inference.network import Network, NetworkWeights, Projection
from gharial_asr.precision import Precision
from gharial_asr.streaming import StreamingFeatures


def cuda_device() -> torch.device:
    """The GPU of this process. Raises OSError when there is none."""
    if not torch.cuda.is_available():
        raise OSError(
            "no CUDA device; use --backend cpu, or run where nvidia-smi shows a GPU, with a torch built for CUDA "
            "(the image gharial/server-cuda has one) and, in a pod, the limit nvidia.com/gpu: 1"
        )
    return torch.device("cuda", torch.cuda.current_device())


def place_network(
    model: Arithmetic, device: torch.device, precision: Precision, network_class: type[Network] = Network
) -> Network:
    """The model's network with its weights on the device."""
    return network_class(model.config, _placed(model.weights, device), products(precision))


def place_front_end(model: Arithmetic, device: torch.device) -> StreamingFeatures:
    """The model's front end, whose windows and filters are on the device."""
    return StreamingFeatures(Features(model.config, model.mel_mean, model.mel_variance).to(device))


def _placed(weights: NetworkWeights, device: torch.device) -> NetworkWeights:
    def weight(of: Weight) -> Tensor | Int8Weight:
        rows = plain(of)
        if isinstance(rows, Int8Weight):
            return Int8Weight(rows.values.to(device), rows.scale.to(device))
        return rows.to(device)

    def layers(of: tuple[LayerWeights, ...]) -> tuple[LayerWeights, ...]:
        return tuple(
            LayerWeights(
                weight(layer.recurrent),
                None if layer.inputs is None else weight(layer.inputs),
                layer.bias.to(device),
            )
            for layer in of
        )

    def projection(of: Projection) -> Projection:
        return replace(of, weight=weight(of.weight), bias=of.bias.to(device))

    return NetworkWeights(
        pre=layers(weights.pre),
        post=layers(weights.post),
        prediction=layers(weights.prediction),
        embedding=weight(weights.embedding),
        joint_encoder=projection(weights.joint_encoder),
        joint_prediction=projection(weights.joint_prediction),
        joint_output=projection(weights.joint_output),
    )
