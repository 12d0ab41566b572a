"""Is a GPU fit to serve? Pure: from what NVML says and has said. Numbers and meanings: NVIDIA's Xid catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gharial_agent.gpus.reading import Gpu, Reading

#: Errors that programs cause, not GPUs; NVIDIA's device plugin and DRA driver leave out the same.
PROGRAM_XIDS = frozenset({13, 31, 43, 45, 68, 109})
#: A GPU that is held down by heat for shorter than this is merely warm.
SLOW_SECONDS = 60.0

_XIDS = {
    48: "a memory error that ECC could not mend",
    62: "its internal controller halted",
    64: "a faulty row of its memory could not be remapped",
    74: "its NVLink failed",
    79: "it has fallen off the bus",
    95: "a memory error that reached beyond one program",
    119: "its system processor does not answer",
    120: "its system processor failed",
    140: "a memory error that was not recovered",
}
#: By NVML_GPU_RECOVERY_ACTION_*.
_RECOVERY = {
    1: "a reset of the GPU",
    2: "a restart of the node",
    3: "the GPU's peers to be drained",
    4: "the GPU to be drained and reset",
    6: "a reset of the GPU by its bus",
    7: "a restart of the whole system",
}
_RESET = "Take its pods away and reset it (nvidia-smi --gpu-reset), or restart the node."


@dataclass
class Memory:
    """What is remembered between looks. An agent that starts anew has forgotten it, as a reset GPU has.

    xids: number of the last serious Xid error by UUID. slow_since: seconds since 1970 by UUID.
    """

    xids: dict[str, int] = field(default_factory=dict)
    slow_since: dict[str, float] = field(default_factory=dict)

    def note_xid(self, uuid: str, number: int) -> bool:
        """Remembers a serious error; says whether it was one."""
        if number in PROGRAM_XIDS:
            return False
        self.xids[uuid] = number
        return True

    def note_heat(self, reading: Reading, now: float) -> None:
        """Remembers since when GPUs are held down."""
        slow = [gpu.uuid for gpu in reading.gpus if gpu.slowed]
        self.slow_since = {uuid: self.slow_since.get(uuid, now) for uuid in slow}


def trouble(gpu: Gpu, xids: Mapping[str, int], slow_since: Mapping[str, float], now: float) -> str:
    """What is wrong with a GPU, and what to do; empty when it is fit. What makes it useless comes first."""
    if gpu.fault:
        return f"NVML says: {gpu.fault}. {_RESET}"
    if gpu.recovery:
        return f"NVIDIA's driver asks for {_RECOVERY.get(gpu.recovery, f'recovery action {gpu.recovery}')}."
    xid = xids.get(gpu.uuid)
    if xid is not None:
        meaning = f": {_XIDS[xid]}" if xid in _XIDS else ""
        return f"NVIDIA's driver reported Xid {xid}{meaning}. {_RESET}"
    if gpu.rows_failed:
        return "Rows of its memory could not be remapped any more: replace the GPU."
    if gpu.rows_pending or gpu.pages_pending:
        return f"Faulty memory is replaced at the next reset. {_RESET}"
    if gpu.rows_failed is None and gpu.uncorrected:
        return f"{gpu.uncorrected} memory errors that ECC could not mend since the driver was loaded. {_RESET}"
    if gpu.uuid in slow_since and now - slow_since[gpu.uuid] >= SLOW_SECONDS:
        return "It is too hot and has been held down for a minute or longer: look at fans and air."
    return ""
