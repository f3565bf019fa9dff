"""python-socketio against `examples/peer_server.rs`: over polling, over WebSocket, and from one to the other.

Run it with PEER_URL naming a running server or PEER_SERVER a binary to start.
"""

import asyncio
import contextlib
import os
import subprocess
import sys

import socketio

WAYS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "polling, then upgrade": ["polling", "websocket"],
}


class Peer:
    """A connected client whose events can be awaited, however early they come."""

    def __init__(self, url, transports, namespace="/", auth=None):
        self.url, self.transports, self.namespace, self.auth = url, transports, namespace, auth
        self.client = socketio.AsyncClient(reconnection=False)
        self.events = {}
        self.client.on("*", self.take, namespace=namespace)
        self.client.on("disconnect", lambda reason=None: self.take("disconnect", reason), namespace=namespace)

    def take(self, name, *args):
        self.events.setdefault(name, asyncio.Queue()).put_nowait(args)

    async def next(self, name):
        return await asyncio.wait_for(self.events.setdefault(name, asyncio.Queue()).get(), 10)

    async def emit(self, name, *args):
        await self.client.emit(name, args, namespace=self.namespace)

    async def __aenter__(self):
        await self.client.connect(self.url, transports=self.transports, namespaces=[self.namespace], auth=self.auth)
        return self

    async def __aexit__(self, *_):
        await self.client.disconnect()


async def arguments(peer):
    args = (1, "två", {"three": [True, None]}, "😀" * 1000)
    await peer.emit("echo", *args)
    assert await peer.next("echo") == args


async def binary(peer):
    large = b"\x03" * 200_000
    await peer.emit("echo", {"picture": b"\x01\x02", "more": [large, b""]})
    (back,) = await peer.next("echo")
    assert back == {"picture": b"\x01\x02", "more": [large, b""]}


async def acknowledgements(peer):
    answer = await peer.client.call("ack", ("a", b"\x09"))
    assert answer == ["a", b"\x09"] or answer == ("a", b"\x09"), answer

    async def question(number):
        return number + 1, b"\x08"

    peer.client.on("question", question)
    await peer.emit("ask", 41)
    assert await peer.next("answered") == (42, b"\x08")


async def order(peer):
    for number in range(500):
        await peer.emit("order", number)
    await peer.emit("order?")
    assert await peer.next("order") == (list(range(500)),)


async def burst(peer):
    await peer.emit("burst", 1000)
    assert [(await peer.next("tick"))[0] for _ in range(1000)] == list(range(1000))


async def feed(peer):
    await peer.emit("feed", {"count": 100, "bytes": 42_000})
    for expected in range(100):
        number, picture = await peer.next("picture")
        assert number == expected and picture == b"\x07" * 42_000


async def kick(peer):
    await peer.emit("kick")
    await peer.next("disconnect")


async def pings(peer):
    # Three intervals of the server's ping; a session that missed one would be closed by now.
    await asyncio.sleep(3.5)
    await arguments(peer)


TESTS = [arguments, binary, acknowledgements, order, burst, feed, kick, pings]


async def namespaces(url, transports):
    async with Peer(url, transports, "/admin", {"token": "sesame"}) as peer:
        assert await peer.next("welcome") == ("/admin",)
        await peer.emit("any", b"\x05")
        assert await peer.next("any") == (b"\x05",)
    for namespace in ("/admin", "/nowhere"):
        try:
            async with Peer(url, transports, namespace):
                raise AssertionError(f"{namespace} lets in anybody")
        except socketio.exceptions.ConnectionError:
            pass


async def main(url):
    for way, transports in WAYS.items():
        for test in TESTS:
            async with Peer(url, transports) as peer:
                await asyncio.wait_for(test(peer), 30)
                print(f"ok: {test.__name__} over {way}")
        await namespaces(url, transports)
        print(f"ok: namespaces over {way}")


@contextlib.contextmanager
def server():
    if "PEER_URL" in os.environ:
        yield os.environ["PEER_URL"]
        return
    if "PEER_SERVER" not in os.environ:
        sys.exit("set PEER_URL or PEER_SERVER")
    process = subprocess.Popen([os.environ["PEER_SERVER"], "0"], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    with server() as url:
        asyncio.run(main(url))
