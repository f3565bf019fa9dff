"""Many python-socketio viewers of one stream: does every frame arrive, byte for byte and in order, and how late.

The publisher and the viewers share this process and its one thread, so that the times include python's own work for all
viewers. Prints one line of JSON; ends with 1 if a frame was lost, changed or out of order.

    python tests/streamhub/viewers.py --url http://127.0.0.1:3000 --viewers 100 --seconds 10 --transport polling
"""

import argparse
import asyncio
import base64
import hashlib
import json
import random
import sys
import time

import socketio


async def connect(url, transport, username, role):
    client = socketio.AsyncClient(reconnection=False)
    registered = asyncio.Event()
    client.on("user:registered", lambda _: registered.set())
    await client.connect(url, transports=[transport])
    await client.emit("user:register", {"username": username, "role": role})
    await asyncio.wait_for(registered.wait(), 30)
    return client


class Viewer:
    def __init__(self):
        self.seen = []
        self.delays = []
        self.joined = asyncio.Event()
        self.skipped = 0

    async def watch(self, url, transport, name, key):
        self.client = await connect(url, transport, name, "VIEWER")
        self.client.on("stream:joined", lambda _: self.joined.set())
        self.client.on("stream:data", self.take)
        self.client.on("stream:skipped", self.skip)
        await self.client.emit("stream:join", {"streamKey": key})
        await asyncio.wait_for(self.joined.wait(), 60)

    def take(self, frame):
        now = time.time()
        data = frame["data"]
        number, sent = data[23:63].split("|")[:2]
        self.delays.append(now - float(sent))
        self.seen.append((int(number), hashlib.blake2b(data.encode()).digest()))

    def skip(self, told):
        self.skipped += told["frames"]


def percentile(values, share):
    return round(1000 * values[min(len(values) - 1, int(len(values) * share))], 1)


async def main(options):
    publisher = await connect(options.url, "websocket", "publisher", "STREAMER")
    created = asyncio.Queue()
    publisher.on("stream:created", created.put_nowait)
    await publisher.emit("stream:create")
    key = (await asyncio.wait_for(created.get(), 30))["stream"]["streamKey"]
    await publisher.emit("stream:start", {"streamKey": key})

    viewers = [Viewer() for _ in range(options.viewers)]
    for number, viewer in enumerate(viewers):
        await viewer.watch(options.url, options.transport, f"viewer {number}", key)

    filler = base64.b64encode(random.randbytes(options.bytes * 3 // 4)).decode()
    digests = []
    start = time.time()
    for number in range(options.rate * options.seconds):
        await asyncio.sleep(max(0, start + number / options.rate - time.time()))
        head = f"{number}|{time.time():.6f}|".ljust(40, "_")
        data = ("data:image/jpeg;base64," + head + filler)[: options.bytes]
        digests.append((number, hashlib.blake2b(data.encode()).digest()))
        await publisher.emit("stream:data:send", {"streamKey": key, "data": data})

    patience = time.time() + 30
    while any(len(v.seen) + v.skipped < len(digests) for v in viewers) and time.time() < patience:
        await asyncio.sleep(0.05)
    whole = sum(viewer.seen == digests for viewer in viewers)
    delays = sorted(delay for viewer in viewers for delay in viewer.delays)
    print(json.dumps({
        "viewers": options.viewers,
        "transport": options.transport,
        "frames": len(digests),
        "viewers_with_every_frame": whole,
        "skipped": sum(viewer.skipped for viewer in viewers),
        "p50_ms": percentile(delays, 0.5),
        "p95_ms": percentile(delays, 0.95),
        "p99_ms": percentile(delays, 0.99),
        "max_ms": percentile(delays, 1),
    }))
    for client in [publisher, *(viewer.client for viewer in viewers)]:
        await client.disconnect()
    return 0 if whole == options.viewers else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--rate", type=int, default=10, help="frames a second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--bytes", type=int, default=42_000, help="of one frame")
    parser.add_argument("--transport", choices=["websocket", "polling"], default="websocket")
    sys.exit(asyncio.run(main(parser.parse_args())))
