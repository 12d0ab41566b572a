"""One replica writes, the others wait: leader election on a coordination.k8s.io Lease.

Clocks of different machines are never compared. A standby takes over when the lease has not changed for the lease's
duration by its own clock; the leader stops itself well before that. A clean stop releases the lease at once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from gharial_api import names
from gharial_api.base import JsonObject

from gharial_operator.api_client import ApiClient, ApiError
from gharial_operator.kinds import LEASE
from gharial_operator.metrics import LEADER

log = logging.getLogger(__name__)


class Leadership:
    """This replica's part in the election.

    Args:
        client: the API server.
        namespace: where the Lease lies.
        identity: name of this replica, different for each.
        seconds: how long a dead leader blocks the others; renewed at a quarter of it.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        identity: str,
        seconds: float = 8.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._seconds = seconds
        self._clock = clock
        self._seen: tuple[str, float] = ("", clock())
        self._renewed = 0.0
        self.leading = False

    async def run(
        self,
        on_start: Callable[[], Awaitable[None]],
        on_lost: Callable[[], None],
        before_release: Callable[[], Awaitable[None]],
        on_standby: Callable[[], None],
    ) -> None:
        """Campaigns and renews until cancelled.

        Calls back on winning, on losing, before giving the lease back, and whenever another replica was seen to lead.
        """
        try:
            while True:
                won = await self._round()
                if won and not self.leading:
                    self.leading = True
                    LEADER.set(1)
                    log.info("%s leads now", self._identity)
                    await on_start()
                elif self.leading and (won is False or self._overdue()):
                    self.leading = False
                    LEADER.set(0)
                    log.warning("%s lost the lease: it stops writing", self._identity)
                    on_lost()
                elif won is False:
                    on_standby()
                await asyncio.sleep(self._seconds / 4)
        finally:
            await before_release()
            await self._release()

    async def _round(self) -> bool | None:
        """One look at the lease, and one write where it is ours to write; None when the API server did not help."""
        try:
            async with asyncio.timeout(self._seconds / 2):
                return await self._acquire_or_renew()
        except (ApiError, OSError, TimeoutError) as error:
            log.warning("lease not renewed: %s", error)
            return None

    async def _acquire_or_renew(self) -> bool:
        lease = await self._client.get(LEASE, names.OPERATOR_MANAGER, self._namespace)
        if lease is None:
            body = LEASE.head(names.OPERATOR_MANAGER, self._namespace) | {"spec": self._spec(1)}
            await self._client.request("POST", LEASE.path("", self._namespace), body=body)
        else:
            spec = lease.get("spec", {})
            holder = spec.get("holderIdentity") or ""
            if holder not in {"", self._identity} and not self._expired(lease):
                return False
            turn = int(spec.get("leaseTransitions", 0)) + (holder != self._identity)
            # The resourceVersion in the body makes the write fail when another replica was faster.
            lease["spec"] = self._spec(turn)
            await self._client.request("PUT", LEASE.path(names.OPERATOR_MANAGER, self._namespace), body=lease)
        self._renewed = self._clock()
        return True

    def _expired(self, lease: JsonObject) -> bool:
        """Whether the lease stood still for its whole duration while we watched."""
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = (version, self._clock())
        return self._clock() - self._seen[1] > self._seconds

    def _overdue(self) -> bool:
        """Whether a standby could take over soon: then stop first."""
        return self._clock() - self._renewed > self._seconds * 0.7

    def _spec(self, transitions: int) -> JsonObject:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    async def _release(self) -> None:
        """Lets the next replica in at once."""
        if not self.leading:
            return
        self.leading = False
        LEADER.set(0)
        try:
            lease = await self._client.get(LEASE, names.OPERATOR_MANAGER, self._namespace)
            if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"]["holderIdentity"] = ""
                await self._client.request("PUT", LEASE.path(names.OPERATOR_MANAGER, self._namespace), body=lease)
        except (ApiError, OSError, TimeoutError) as error:
            log.warning("lease not released, the next replica waits for it to run out: %s", error)
