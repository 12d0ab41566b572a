"""Redfish controllers for the box's machines: the operator's own client switches a real node by them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gharial_cluster.cluster import Cluster, running_machines
from gharial_cluster.redfish.controllers import MachineControllers
from gharial_cluster.redfish.door import Mood
from gharial_cluster.redfish.emulator import PASSWORD, USERNAME
from gharial_operator.power.controller import Power, PowerError, Switch
from gharial_operator.power.redfish import Redfish, RedfishAddress

pytestmark = pytest.mark.cluster


def eventually(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def controllers(cluster: Cluster) -> Iterator[MachineControllers]:
    with MachineControllers(cluster) as running:
        yield running


def client(controllers: MachineControllers, folder: Path, password: str = PASSWORD) -> Redfish:
    """What the operator would make of the Node's annotation and the Secret."""
    (folder / "ca.crt").write_text(controllers.authority)
    return Redfish(RedfishAddress(controllers.url("node-b"), USERNAME, password, str(folder / "ca.crt")))


def test_a_node_goes_off_and_on_as_its_controller_is_asked(
    cluster: Cluster, controllers: MachineControllers, tmp_path: Path
) -> None:
    switch = client(controllers, tmp_path)
    before = running_machines(cluster)
    switch.ask(Switch.SHUT_DOWN)
    eventually(lambda: running_machines(cluster)["node-b"] is None)
    assert switch.power() is Power.OFF
    switch.ask(Switch.TURN_ON)
    eventually(lambda: running_machines(cluster)["node-b"] is not None)
    assert running_machines(cluster)["node-a"] == before["node-a"]
    cluster.kubectl("wait", "node/node-b", "--for=condition=Ready", "--timeout=90s")


def test_a_controller_wants_its_password_and_can_be_unwell(controllers: MachineControllers, tmp_path: Path) -> None:
    with pytest.raises(PowerError, match="refuses the user"):
        client(controllers, tmp_path, "wrong").power()
    controllers.turn("node-b", Mood.FAILS)
    with pytest.raises(PowerError, match="failed with status 500"):
        client(controllers, tmp_path).power()
    controllers.turn("node-b", Mood.OBEYS)
    assert client(controllers, tmp_path).power() is Power.ON
