"""The backend cuda: one GPU."""

import logging

import torch
from gharial_asr.building import with_recognition
from gharial_asr.compilation import load_model
from gharial_asr.device.placing import cuda_device
from gharial_asr.device.runner import DeviceModel
from gharial_asr.precision import Precision

from gharial_server.engine.backends import BackendSettings, Loaded
from gharial_server.engine.capacity import measure_capacity
from gharial_server.engine.interface import SAMPLE_RATE

log = logging.getLogger(__name__)

DEFAULT_PRECISION: Precision = "bf16"
# Where a step begins to take longer with more streams in it, and where answers become too many for one process.
BATCHES = (128, 1024)


def cuda(settings: BackendSettings) -> Loaded:
    """bfloat16 on this process's GPU. Without a capacity, takes seconds to measure what it carries.

    Raises OSError when there is no GPU, ValueError when the settings ask for what the device does not do.
    """
    torch.set_num_threads(settings.threads)
    return load_on(cuda_device(), settings)


def load_on(device: torch.device, settings: BackendSettings, batches: tuple[int, int] = BATCHES) -> Loaded:
    """The model on a device. batches: that are timed where no capacity is given."""
    model, decoder = load_model(settings.model, "int8"), settings.recognition.decoder
    placed, capacity = DeviceModel(model, device, DEFAULT_PRECISION, decoder), settings.capacity
    if capacity is None:
        seconds = placed.step_samples / SAMPLE_RATE
        runner = placed.with_slots(batches[1])
        rows = settings.recognition.rows_per_stream(seconds)
        capacity = max(1, int(measure_capacity(runner, seconds, batches=batches) / rows))
        log.info("this device carries %d streams in real time", capacity)
    whole = with_recognition(placed, model, capacity, settings.recognition)
    return Loaded(whole, model.tokenizer.pieces, model.digest)
