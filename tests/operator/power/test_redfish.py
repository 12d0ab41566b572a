"""A machine's power by Redfish, against sushy-tools' emulator: a real Redfish service whose machine is not there."""

import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from gharial_operator.power.controller import Power, PowerError, Switch
from gharial_operator.power.redfish import Redfish, RedfishAddress

ONE, TWO = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/redfish/v1/", timeout=2).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module", params=[[ONE], [ONE, TWO]], ids=["one system", "two systems"])
def emulator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A running emulator's address, and how many systems it has."""
    folder: Path = tmp_path_factory.mktemp("redfish")
    port = free_port()
    systems = [{"uuid": uuid, "name": uuid[:4], "power_state": "On", "nics": []} for uuid in request.param]
    settings = {
        "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
        "SUSHY_EMULATOR_LISTEN_PORT": port,
        "SUSHY_EMULATOR_FAKE_SYSTEMS": systems,
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
    }
    (folder / "emulator.conf").write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    program = Path(sys.executable).with_name("sushy-emulator")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "--fake", "--config", folder / "emulator.conf"], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url, len(systems)
    finally:
        process.terminate()
        process.wait(10)


def machine(url: str, username: str = "admin") -> Redfish:
    return Redfish(RedfishAddress(url, username, "secret"))


def test_a_machine_goes_off_and_on_again_and_asking_twice_is_harmless(emulator: tuple[str, int]) -> None:
    url, systems = emulator
    one = machine(f"{url}/redfish/v1/Systems/{ONE}")
    assert one.power() is Power.ON
    # The emulator takes seconds for each, as machines do; so each way off is tried once.
    off = Switch.CUT if systems == 1 else Switch.SHUT_DOWN
    for switch, power in ((off, Power.OFF), (Switch.TURN_ON, Power.ON)):
        one.ask(switch)
        eventually(lambda power=power: one.power() is power)  # type: ignore[misc]
        one.ask(switch)
        assert one.power() is power


def test_an_address_without_a_system_means_the_only_one_there_is(emulator: tuple[str, int]) -> None:
    url, systems = emulator
    if systems == 1:
        assert machine(url).power() is Power.ON
        return
    with pytest.raises(PowerError, match=f"2 systems .*{TWO}.* put one of them into the address"):
        machine(url).power()


def test_a_system_that_is_not_there_is_named(emulator: tuple[str, int]) -> None:
    with pytest.raises(PowerError, match="has no /redfish/v1/Systems/nobody; check the address"):
        machine(f"{emulator[0]}/redfish/v1/Systems/nobody").power()


class Refuser(http.server.BaseHTTPRequestHandler):
    """A controller that answers everything with its server's status."""

    def do_GET(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to tell."""


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(500, "failed with status 500; see its own log"), (401, "refuses the user 'admin'; check the Secret")],
)
def test_a_controller_that_fails_or_refuses_is_told_with_the_remedy(status: int, remedy: str) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Refuser)
    server.status = status  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(PowerError, match=remedy):
            machine(f"http://127.0.0.1:{server.server_port}").power()
    finally:
        server.shutdown()
        server.server_close()


def test_a_controller_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(PowerError, match="does not answer; check the address"):
        machine(f"http://127.0.0.1:{free_port()}").ask(Switch.CUT)


@pytest.mark.parametrize("url", ["10.0.0.5", "ipmi://10.0.0.5", "https://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(PowerError, match="give https://HOST"):
        machine(url)
