// socket.io-client 4 against `examples/peer_server.rs`: over polling, over WebSocket, and from one to the other.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { io } from "socket.io-client";

import { start } from "./server.mjs";

let server;
before(async () => {
  server = await start("PEER");
});
after(() => server?.stop());

const once = (socket, event) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)));

/** Runs `test` with a connected socket and closes it afterwards. */
async function withSocket(options, test, namespace = "/") {
  const socket = io(server.url + namespace, { forceNew: true, reconnection: false, ...options });
  const welcome = once(socket, "welcome");
  try {
    await once(socket, "connect");
    await test(socket, welcome);
  } finally {
    socket.disconnect();
  }
}

const ways = [
  ["polling", { transports: ["polling"] }],
  ["websocket", { transports: ["websocket"] }],
  ["polling, then upgrade", {}],
];

for (const [way, options] of ways) {
  describe(`over ${way}`, () => {
    const test = (name, run) => it(name, { timeout: 20_000 }, () => withSocket(options, run));

    test("events come back with all kinds of arguments", async (socket) => {
      const args = [1, "två", { three: [true, null] }, "😀".repeat(1000)];
      socket.emit("echo", ...args);
      assert.deepEqual(await once(socket, "echo"), args);
    });

    test("binary goes both ways, nested and empty", async (socket) => {
      const large = Buffer.alloc(200_000, 3);
      socket.emit("echo", { picture: Buffer.from([1, 2, 3]), more: [large, Buffer.alloc(0)] });
      const [back] = await once(socket, "echo");
      assert.deepEqual([...back.picture], [1, 2, 3]);
      assert.equal(Buffer.compare(back.more[0], large), 0);
      assert.equal(back.more[1].length, 0);
    });

    test("acknowledgements go both ways, with binary", async (socket) => {
      const [text, bytes] = await new Promise((resolve) => {
        socket.emit("ack", "a", Buffer.from([9]), (...args) => resolve(args));
      });
      assert.equal(text, "a");
      assert.deepEqual([...bytes], [9]);
      socket.once("question", (question, answer) => answer(question + 1, Buffer.from([8])));
      socket.emit("ask", 41);
      const [number, attached] = await once(socket, "answered");
      assert.equal(number, 42);
      assert.deepEqual([...attached], [8]);
      socket.emit("ask-nobody");
      assert.deepEqual(await once(socket, "unanswered"), ["no acknowledgement in time"]);
    });

    test("events are handled in order although the handler waits", async (socket) => {
      const count = 2000;
      for (let number = 0; number < count; number++) socket.emit("order", number);
      socket.emit("order?");
      const [order] = await once(socket, "order");
      assert.deepEqual(order, Array.from({ length: count }, (_, number) => number));
    });

    test("a burst of events arrives whole and in order", async (socket) => {
      const numbers = [];
      const all = new Promise((resolve) => {
        socket.on("tick", (number) => {
          numbers.push(number);
          if (numbers.length === 1000) resolve();
        });
      });
      socket.emit("burst", 1000);
      await all;
      assert.deepEqual(numbers, Array.from({ length: 1000 }, (_, number) => number));
    });

    test("a feed arrives whole and in order, beside other events", async (socket) => {
      const numbers = [];
      const all = new Promise((resolve) => {
        socket.on("picture", (number, bytes) => {
          assert.equal(bytes.length, 40_000);
          numbers.push(number);
          if (numbers.length === 100) resolve();
        });
      });
      socket.emit("feed", { count: 100, bytes: 40_000 });
      socket.emit("echo", "hi");
      await Promise.all([all, once(socket, "echo")]);
      assert.deepEqual(numbers, Array.from({ length: 100 }, (_, number) => number));
    });

    test("rooms reach their members but the speaker", async (socket) => {
      await withSocket(options, async (other) => {
        const room = `room of ${way}`;
        for (const member of [socket, other]) {
          member.emit("join", room);
          assert.deepEqual(await once(member, "rooms"), [[room]]);
        }
        socket.on("said", () => assert.fail("the speaker hears itself"));
        socket.emit("say", room, { text: "hello" });
        assert.deepEqual(await once(other, "said"), [socket.id, { text: "hello" }]);
        other.emit("leave", room);
        assert.deepEqual(await once(other, "rooms"), [[]]);
      });
    });

    test("the server's disconnect is told", async (socket) => {
      socket.emit("kick");
      assert.equal((await once(socket, "disconnect"))[0], "io server disconnect");
    });

    test("a panic costs its own socket and is told as a disconnect", async (socket) => {
      await withSocket(options, async (watcher) => {
        watcher.emit("join", "watchers");
        await once(watcher, "rooms");
        const { id } = socket;
        const gone = new Promise((resolve) => {
          watcher.on("gone", (who, why) => who === id && resolve(why));
        });
        socket.emit("panic");
        assert.equal((await once(socket, "disconnect"))[0], "io server disconnect");
        assert.equal(await gone, "HandlerPanic");
      });
    });

    test("leaving is told as the client's wish", async (socket) => {
      await withSocket(options, async (watcher) => {
        watcher.emit("join", "watchers");
        await once(watcher, "rooms");
        const { id } = socket;
        const gone = new Promise((resolve) => {
          watcher.on("gone", (who, why) => who === id && resolve(why));
        });
        socket.disconnect();
        assert.equal(await gone, "ClientDisconnect");
      });
    });

    test("the session lives through several pings", async (socket) => {
      let pings = 0;
      await new Promise((resolve) => {
        socket.io.on("ping", () => ++pings === 2 && resolve());
      });
      assert.ok(socket.connected);
    });

    it("a namespace asks for a word", { timeout: 10_000 }, async () => {
      const refused = io(`${server.url}/admin`, { forceNew: true, reconnection: false, ...options });
      const [error] = await once(refused, "connect_error");
      assert.equal(error.message, "not authorized");
      assert.deepEqual(error.data, { hint: "a word" });
      refused.disconnect();
      await withSocket({ ...options, auth: { token: "sesame" } }, async (socket, welcome) => {
        assert.deepEqual(await welcome, ["/admin"]);
        socket.emit("any", Buffer.from([5]));
        assert.deepEqual([...(await once(socket, "any"))[0]], [5]);
      }, "/admin");
      const unknown = io(`${server.url}/nowhere`, { forceNew: true, reconnection: false, ...options });
      assert.equal((await once(unknown, "connect_error"))[0].message, "Invalid namespace");
      unknown.disconnect();
    });
  });
}

it("an upgrade loses nothing and keeps the order of both directions", { timeout: 20_000 }, async () => {
  for (let round = 0; round < 10; round++) {
    await withSocket({}, async (socket) => {
      const count = 300;
      const ticks = [];
      const all = new Promise((resolve) => {
        socket.on("tick", (number) => ticks.push(number) === count && resolve());
      });
      socket.emit("burst", count);
      let sent = 0;
      const isPolling = () => socket.io.engine.transport.name === "polling";
      while (isPolling() || sent < 200) {
        // The handler takes its time: what is sent ahead of it must not outgrow the test's patience.
        if (sent < 1000) socket.emit("order", sent++);
        if (sent % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await all;
      assert.deepEqual(ticks, Array.from({ length: count }, (_, number) => number));
      socket.emit("order?");
      const [order] = await once(socket, "order");
      assert.deepEqual(order, Array.from({ length: sent }, (_, number) => number));
      socket.emit("where");
      assert.deepEqual(await once(socket, "where"), ["WebSocket"]);
    });
  }
});

it("two namespaces share one connection", { timeout: 10_000 }, async () => {
  const main = io(server.url, { reconnection: false, transports: ["websocket"] });
  const admin = io(`${server.url}/admin`, { reconnection: false, transports: ["websocket"], auth: { token: "sesame" } });
  await Promise.all([once(main, "connect"), once(admin, "connect")]);
  assert.equal(main.io, admin.io);
  main.disconnect();
  admin.emit("any", 1);
  assert.deepEqual(await once(admin, "any"), [1]);
  admin.disconnect();
});
