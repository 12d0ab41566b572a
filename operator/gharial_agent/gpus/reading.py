"""What NVML says of a node's GPUs at one moment: plain values."""

from dataclasses import dataclass


class NvmlUnavailableError(RuntimeError):
    """NVML cannot be used on this node; the message says why and what to do."""


@dataclass(frozen=True)
class Gpu:
    """One GPU. None stands for what this model of GPU, or this version of the driver, does not tell.

    pci_address: as Linux writes it, such as 0000:3b:00.0. fault: NVML's words when the GPU did not answer; what else is
    known is then from before. rows_pending, rows_failed: faulty rows of memory whose replacement waits for a reset, or
    failed. pages_pending: the same of older GPUs, which retire pages. uncorrected: memory errors that ECC could not
    mend since the driver was loaded. slowed: the clock is held down because the GPU is too hot. recovery: what the
    driver asks for, one of NVML_GPU_RECOVERY_ACTION_*; 0 is nothing.
    """

    uuid: str
    pci_address: str
    product: str = ""
    memory_bytes: int = 0
    memory_used_bytes: int = 0
    utilisation_percent: int | None = None
    fault: str = ""
    rows_pending: bool | None = None
    rows_failed: bool | None = None
    pages_pending: bool | None = None
    uncorrected: int | None = None
    slowed: bool = False
    recovery: int = 0


@dataclass(frozen=True)
class Reading:
    """All GPUs that answered with a name. unnamed: NVML's words about those that did not even tell who they are."""

    gpus: tuple[Gpu, ...]
    driver_version: str
    unnamed: tuple[str, ...] = ()
