"""Reads GPUs through NVIDIA's own binding of NVML (nvidia-ml-py), which is loaded when it is first needed.

NVML stays open between looks: without it (and without NVIDIA's persistence daemon) each look would start the GPU anew.
"""

import logging
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from gharial_agent.gpus.reading import Gpu, NvmlUnavailableError, Reading

log = logging.getLogger(__name__)

#: How long one wait for events lasts; the end of the process waits for it.
EVENT_MILLISECONDS = 1000
#: The clock is held down by the GPU's own temperature, by hardware (0x40) or by the driver (0x20).
THERMAL_SLOWDOWN = 0x40 | 0x20

_REMEDIES = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": "libnvidia-ml.so.1 is not in the container. Is NVIDIA's driver installed on the "
    "node, and is the chart's gpus.runtimeClassName NVIDIA's runtime class?",
    "NVML_ERROR_DRIVER_NOT_LOADED": "NVIDIA's kernel driver is not loaded on the node. Look at: nvidia-smi",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": "NVIDIA's driver was replaced on disk but not in the kernel. Drain the node "
    "and start it anew.",
    "NVML_ERROR_NO_PERMISSION": "the agent may not open NVIDIA's devices. Is the chart's gpus.runtimeClassName "
    "NVIDIA's runtime class?",
}


class Nvml:
    """NVML of this node. `on_xid` is called with UUID and number of each Xid error, from a thread of its own."""

    def __init__(self, on_xid: Callable[[str, int], None]) -> None:
        self._on_xid = on_xid
        self._binding: ModuleType | None = None
        self._known: dict[int, Gpu] = {}
        self._listener: threading.Thread | None = None
        self._closing = threading.Event()

    def look(self) -> Reading:
        """All GPUs as they are now. Raises NvmlUnavailableError; the next look tries anew."""
        nvml = self._open()
        try:
            driver = str(nvml.nvmlSystemGetDriverVersion())
            found = [self._gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            self.close()
            raise NvmlUnavailableError(f"NVML does not answer: {error}.") from None
        gpus = tuple(gpu for gpu in found if isinstance(gpu, Gpu))
        return Reading(gpus, driver, tuple(words for words in found if isinstance(words, str)))

    def close(self) -> None:
        """Lets go of NVML, so that a GPU may be reset."""
        self._closing.set()
        if self._listener is not None:
            self._listener.join()
            self._listener = None
        if self._binding is not None:
            try:
                self._binding.nvmlShutdown()
            except self._binding.NVMLError as error:
                log.warning("closing NVML: %s", error)
            self._binding = None
        self._known = {}

    def _open(self) -> Any:
        if self._binding is not None:
            return self._binding
        try:
            import pynvml as nvml
        except ImportError:
            raise NvmlUnavailableError("The package nvidia-ml-py is missing: pip install nvidia-ml-py") from None
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            raise NvmlUnavailableError(f"NVML cannot be opened: {_remedy(nvml, error)}") from None
        self._binding = nvml
        try:
            self._listen(nvml)
        except nvml.NVMLError as error:
            log.warning("no Xid errors will be heard: %s", error)
        return nvml

    def _gpu(self, nvml: Any, index: int) -> Gpu | str:
        """One GPU; of one that is lost what was known before, or NVML's words when nothing was."""
        try:
            gpu = read_gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(index))
        except nvml.NVMLError as error:
            before = self._known.get(index)
            if before is None:
                return f"GPU {index}: {error}"
            return Gpu(before.uuid, before.pci_address, before.product, before.memory_bytes, fault=str(error))
        self._known[index] = gpu
        return gpu

    def _listen(self, nvml: Any) -> None:
        """Starts to wait for Xid errors, on every GPU that tells them."""
        events = nvml.nvmlEventSetCreate()
        listening = 0
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, events)
                listening += 1
            except nvml.NVMLError as error:
                log.info("GPU %d tells no Xid errors: %s", index, error)
        self._closing.clear()
        if listening:
            self._listener = threading.Thread(target=self._hear, args=(nvml, events), name="xids", daemon=True)
            self._listener.start()

    def _hear(self, nvml: Any, events: Any) -> None:
        while not self._closing.is_set():
            try:
                event = nvml.nvmlEventSetWait(events, EVENT_MILLISECONDS)
                self._on_xid(str(nvml.nvmlDeviceGetUUID(event.device)), int(event.eventData))
            except nvml.NVMLError_Timeout:
                continue
            except nvml.NVMLError as error:
                # A GPU that is gone says so at once, each time; the look at it finds out which one it is.
                log.debug("waiting for Xid errors: %s", error)
                self._closing.wait(EVENT_MILLISECONDS / 1000)
        nvml.nvmlEventSetFree(events)


def read_gpu(nvml: Any, handle: Any) -> Gpu:
    """One GPU. Raises NVMLError when it does not answer."""
    pci = nvml.nvmlDeviceGetPciInfo(handle)
    memory = told(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))  # a GPU may share the processor's memory
    rows = told(nvml, lambda: nvml.nvmlDeviceGetRemappedRows(handle))
    pages = told(nvml, lambda: nvml.nvmlDeviceGetRetiredPagesPendingStatus(handle))
    rates = told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    clocks = told(nvml, lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    if clocks is None:  # drivers before 535 know it by its old name alone
        clocks = told(nvml, lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)) or 0
    return Gpu(
        uuid=str(nvml.nvmlDeviceGetUUID(handle)),
        pci_address=f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0",
        product=str(nvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(memory.total) if memory is not None else 0,
        memory_used_bytes=int(memory.used) if memory is not None else 0,
        utilisation_percent=int(rates.gpu) if rates is not None else None,
        rows_pending=bool(rows[2]) if rows is not None else None,
        rows_failed=bool(rows[3]) if rows is not None else None,
        pages_pending=pages == nvml.NVML_FEATURE_ENABLED if pages is not None else None,
        uncorrected=told(nvml, lambda: uncorrected_errors(nvml, handle)),
        slowed=bool(clocks & THERMAL_SLOWDOWN),
        recovery=recovery_action(nvml, handle),
    )


def uncorrected_errors(nvml: Any, handle: Any) -> int:
    """Memory errors beyond ECC since the driver was loaded. Raises NVMLError, also where there is no ECC."""
    return int(
        nvml.nvmlDeviceGetTotalEccErrors(handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC)
    )


def recovery_action(nvml: Any, handle: Any) -> int:
    """What the driver asks for; 0 (nothing) from drivers that are too old to say."""
    values = told(nvml, lambda: nvml.nvmlDeviceGetFieldValues(handle, [nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION]))
    if values is None or values[0].nvmlReturn != nvml.NVML_SUCCESS:
        return 0
    return int(values[0].value.uiVal)


def told(nvml: Any, ask: Callable[[], Any]) -> Any:
    """The answer, or None where this GPU or this driver does not have it, or not for everybody."""
    silent = (
        nvml.NVMLError_NotSupported,
        nvml.NVMLError_FunctionNotFound,
        nvml.NVMLError_InvalidArgument,
        nvml.NVMLError_NoPermission,
    )
    try:
        return ask()
    except silent:
        return None


def _remedy(nvml: Any, error: Any) -> str:
    for name, remedy in _REMEDIES.items():
        if error.value == getattr(nvml, name):
            return remedy
    return f"{error}."
