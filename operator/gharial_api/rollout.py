"""What the operator stores of a node's way to a bitstream, and the words by which Node objects show it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gharial_api.base import ApiModel
from gharial_api.bitstream import Bitstream
from gharial_api.names import GROUP

RolloutState = Literal[
    "Pending",
    "Cordoned",
    "WaitingForStreams",
    "Drained",
    "Flashing",
    "PowerCycling",
    "Enumerating",
    "Validating",
    "Uncordoned",
    "Done",
    "Failed",
    "RollingBack",
    "RolledBack",
    "Quarantined",
]

#: On a Node that we cordoned: the pool it was cordoned for. Written in the same request as the cordon.
CORDON_ANNOTATION = f"{GROUP}/cordoned-for"
#: On a Node of a pool: the rollout state, for `kubectl get nodes -L`.
ROLLOUT_LABEL = f"{GROUP}/rollout"

#: On a Node: address of the machine's management controller, such as https://10.0.0.5.
CONTROLLER_ANNOTATION = f"{GROUP}/bmc"

PowerStep = Literal["Waiting", "TurningOff", "KeptOff", "TurningOn", "TurnedOn"]
#: The machine may be without power, by our doing: it gets it back whatever happens meanwhile.
SWITCHING: frozenset[PowerStep] = frozenset({"TurningOff", "KeptOff", "TurningOn"})


class MachinePowerCycle(ApiModel):
    """Where the machine stands on its way off and on again. While it stands here, nothing is written to its cards."""

    step: PowerStep
    """Waiting (written cards wait for power, nothing is being written), TurningOff, KeptOff, TurningOn, TurnedOn (the
    machine has started anew: its cards show what they run)."""
    since: datetime
    """When the step was reached."""
    generation: int = 0
    """metadata.generation that told the agent of the step; what it reported before counts for nothing."""
    boot_id: str = Field(default="", max_length=128)
    """Boot id of the Node's kernel before the power cycle; another one shows that the machine has started anew."""
    asked_boot_id: str = Field(default="", max_length=128)
    """Boot id after which the agent was last asked what its cards run; until it has answered, its report is of
    before the restart."""
    controller: str = Field(default="", max_length=2048)
    """Address of the controller that was asked: what has begun is finished even if the annotation goes."""
    secret: str = Field(default="", max_length=253)
    """Secret with its login."""


class NodeRollout(ApiModel):
    """Where the node stands on its way to the pool's bitstream. Stored before anything is done about it."""

    state: RolloutState = "Pending"
    """Pending, Cordoned, WaitingForStreams, Drained, Flashing, PowerCycling, Enumerating, Validating, Uncordoned and
    Done in this order; aside Failed, RollingBack (waits for the way back), RolledBack and Quarantined."""
    since: datetime | None = None
    """When the node got there."""
    goal: str = Field(default="", max_length=256)
    """Version and digest of the bitstream it is on the way to, and upgradePolicy.reset: another goal starts afresh."""
    attempts: int = 0
    """Flashes that failed on the way to this goal."""
    forgiven: int = 0
    """Attempts in the agent's count that were made before this goal and no longer count."""
    failed_drains: int = 0
    """Drains that were broken off on the way to this goal."""
    rolling_back: bool = False
    """Whether the node is on the way to lastGood instead, because the goal was given up."""
    last_good: Bitstream | None = None
    """The last bitstream with which all cards of the node were fit for service: where a rollback leads."""
    power: MachinePowerCycle | None = None
    """The machine's power cycle, while its cards wait for one or come back from it."""
