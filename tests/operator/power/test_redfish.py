"""A machine's power by Redfish, against sushy-tools' emulator: a real Redfish service whose machine is not there."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from api_server import eventually
from gharial_cluster.control_plane import free_ports
from gharial_operator.power.controller import Power, PowerError, Switch
from gharial_operator.power.redfish import Redfish, RedfishAddress
from redfish_emulator import redfish_emulator

ONE, TWO = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


@pytest.fixture(scope="module", params=[[ONE], [ONE, TWO]], ids=["one system", "two systems"])
def emulator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A running emulator's address, and how many systems it has."""
    with redfish_emulator(tmp_path_factory.mktemp("redfish"), request.param) as url:
        yield url, len(request.param)


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
        eventually(lambda power=power: one.power() is power, 30)  # type: ignore[misc]
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
        machine(f"http://127.0.0.1:{free_ports(1)[0]}").ask(Switch.CUT)


@pytest.mark.parametrize("url", ["10.0.0.5", "ipmi://10.0.0.5", "https://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(PowerError, match="give https://HOST"):
        machine(url)
