"""A machine's power by its management controller's Redfish service (DMTF DSP0266), through OpenStack's sushy."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import sushy
from sushy import exceptions

from gharial_operator.power.controller import Power, PowerError, Switch

_ROOT = "/redfish/v1"
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 20

_STATES = {sushy.PowerState.ON: Power.ON, sushy.PowerState.OFF: Power.OFF}
_DONE = {Switch.SHUT_DOWN: Power.OFF, Switch.CUT: Power.OFF, Switch.TURN_ON: Power.ON}
# The first that the controller knows is used.
_RESETS = {
    Switch.SHUT_DOWN: (sushy.ResetType.GRACEFUL_SHUTDOWN, sushy.ResetType.PUSH_POWER_BUTTON, sushy.ResetType.FORCE_OFF),
    Switch.CUT: (sushy.ResetType.FORCE_OFF,),
    Switch.TURN_ON: (sushy.ResetType.ON, sushy.ResetType.FORCE_ON),
}

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class RedfishAddress:
    """Where a machine's controller is and how to log in.

    url: `https://10.0.0.5`; where the controller has several systems, with the path of one, as in
    `https://10.0.0.5/redfish/v1/Systems/1`. certificates: a file of those to trust, or True for the system's own.
    """

    url: str
    username: str
    password: str = field(repr=False)
    certificates: str | bool = True

    @property
    def host(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def system(self) -> str | None:
        """Path of the system, if the URL has one."""
        path = urlsplit(self.url).path.rstrip("/")
        return path if path not in ("", _ROOT) else None


class Redfish:
    """The power switch of the machine at an address."""

    def __init__(self, address: RedfishAddress) -> None:
        """Raises PowerError when the URL is none."""
        if urlsplit(address.url).scheme not in ("https", "http") or not urlsplit(address.url).netloc:
            raise PowerError(f"{address.url!r} is no address of a management controller; give https://HOST")
        self._address = address

    def power(self) -> Power:
        """Whether the machine has power now; anything between on and off is a change under way."""
        state = self._try(lambda: self._system().power_state)
        return _STATES.get(state, Power.CHANGING)

    def ask(self, switch: Switch) -> None:
        """Sends one reset action, unless the machine is as wanted already."""
        self._try(lambda: self._reset(switch))

    def _reset(self, switch: Switch) -> None:
        system = self._system()
        if _STATES.get(system.power_state) is _DONE[switch]:
            return
        known = system.get_allowed_reset_system_values()
        for reset in _RESETS[switch]:
            if reset in known:
                system.reset_system(reset)
                return
        offered = ", ".join(sorted(reset.value for reset in known)) or "nothing"
        wanted = " or ".join(reset.value for reset in _RESETS[switch])
        raise PowerError(f"{self._address.host} cannot {wanted}, it offers {offered}; power-cycle this machine by hand")

    def _system(self) -> Any:
        service = sushy.Sushy(
            f"{self._address.host}{_ROOT}",
            auth=sushy.auth.BasicAuth(self._address.username, self._address.password),
            verify=self._address.certificates,
            # One attempt: the operator asks again by itself, and says meanwhile why it waits. With 0, sushy would try
            # three times to be heard by a controller that says nothing, for a minute.
            server_side_retries=1,
            read_timeout=_ANSWER_SECONDS,
            connect_timeout=_CONNECT_SECONDS,
        )
        if self._address.system is not None:
            return service.get_system(self._address.system)
        paths = service.get_system_collection().members_identities
        if len(paths) != 1:
            found = ", ".join(paths) or "none"
            raise PowerError(
                f"{self._address.host} holds {len(paths)} systems ({found}); put one of them into the address"
            )
        return service.get_system(paths[0])

    def _try(self, work: Callable[[], _Answer]) -> _Answer:
        """Does it, with every failure told in a sentence."""
        host = self._address.host
        try:
            return work()
        except exceptions.AccessError as error:
            raise PowerError(f"{host} refuses the user {self._address.username!r}; check the Secret") from error
        except exceptions.ResourceNotFoundError as error:
            raise PowerError(f"{host} has no {self._address.system or _ROOT}; check the address") from error
        except exceptions.ServerSideError as error:
            raise PowerError(f"{host} failed with status {error.status_code}; see its own log") from error
        except (exceptions.ConnectionError, requests.RequestException) as error:
            raise PowerError(f"{host} does not answer; check the address and the network to it ({error})") from error
        except exceptions.SushyError as error:
            raise PowerError(f"{host} answers what this client does not understand: {error}") from error
