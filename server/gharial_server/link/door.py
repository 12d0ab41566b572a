"""How a front end that starts, or starts again, finds the engine, and the other way round.

The door is a pair of sockets that the parent of both keeps open. Who wants a link makes a pair of sockets, keeps one
and puts the other through the door. While no engine is there, it waits inside. So either side may die and come back,
and when all are gone the kernel has freed everything: there are no names and no files.
"""

import asyncio
import socket

# Bytes that the kernel may hold in each direction of a link.
_LINK_BYTES = 1 << 20
_AGAIN_SECONDS = 0.1


def make_door() -> tuple[socket.socket, socket.socket]:
    """The front end's side and the engine's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


async def knock(door: socket.socket) -> socket.socket:
    """Puts one end of a new link through the door and returns the other, which never waits."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (mine, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LINK_BYTES)
    mine.setblocking(False)
    door.setblocking(False)
    with theirs:
        while True:
            try:
                socket.send_fds(door, [b"link"], [theirs.fileno()])
                return mine
            except BlockingIOError:  # many links wait already: the engine has been away for long
                await asyncio.sleep(_AGAIN_SECONDS)
            except BaseException:
                mine.close()
                raise


def take(door: socket.socket) -> socket.socket:
    """The next end of a link that came through; waits as the door's timeout says (TimeoutError)."""
    _, descriptors, _, _ = socket.recv_fds(door, 16, 1)
    return socket.socket(fileno=descriptors[0])
