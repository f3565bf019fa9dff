// What the public suites of Engine.IO v4 and Socket.IO v5 ask for, in our own words, against `examples/conformance.rs`.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";

import { start } from "./server.mjs";

const PING_INTERVAL = 300;
const PING_TIMEOUT = 200;
const CONNECT_TIMEOUT = 1000;

let server;
before(async () => {
  server = await start("CONFORMANCE");
});
after(() => server?.stop());

/** A WebSocket whose messages and end can be awaited one by one, however early they come. */
class Line {
  constructor(path, query) {
    this.socket = new WebSocket(`${server.url.replace("http", "ws")}${path}?${query}`);
    this.socket.binaryType = "arraybuffer";
    this.waiting = { open: [], message: [], close: [] };
    this.come = { open: [], message: [], close: [] };
    this.socket.on("error", () => {});
    for (const kind of Object.keys(this.come)) {
      this.socket.addEventListener(kind, (event) => {
        const waiting = this.waiting[kind].shift();
        if (waiting) waiting(event);
        else this.come[kind].push(event);
      });
    }
  }
  next(kind) {
    const event = this.come[kind].shift();
    return event ? Promise.resolve(event) : new Promise((resolve) => this.waiting[kind].push(resolve));
  }
  async text() {
    return (await this.next("message")).data;
  }
  /** The next messages that are no pings. */
  async packets(count) {
    const packets = [];
    while (packets.length < count) {
      const data = await this.text();
      if (data !== "2") packets.push(data);
    }
    return packets;
  }
  send(data) {
    this.socket.send(data);
  }
  close() {
    this.socket.close();
  }
}

for (const path of ["/engine.io/", "/socket.io/"]) {
  const url = (query) => `${server.url}${path}?${query}`;
  const status = async (query, options) => (await fetch(url(query), options)).status;
  const line = (query = "EIO=4&transport=websocket") => new Line(path, query);
  const polling = (sid) => `EIO=4&transport=polling&sid=${sid}`;
  const post = (sid, body) => fetch(url(polling(sid)), { method: "post", body });
  const open = async () => {
    const text = await (await fetch(url("EIO=4&transport=polling"))).text();
    return JSON.parse(text.slice(1)).sid;
  };

  describe(`Engine.IO at ${path}`, () => {
    const handshake = (text, upgrades) => {
      assert.equal(text[0], "0");
      const { sid, ...rest } = JSON.parse(text.slice(1));
      assert.equal(typeof sid, "string");
      assert.deepEqual(rest, {
        upgrades,
        pingInterval: PING_INTERVAL,
        pingTimeout: PING_TIMEOUT,
        maxPayload: 1000000,
      });
    };

    it("opens over polling", async () => {
      const response = await fetch(url("EIO=4&transport=polling"));
      assert.equal(response.status, 200);
      handshake(await response.text(), ["websocket"]);
    });

    it("opens over WebSocket", async () => {
      const socket = line();
      handshake(await socket.text(), []);
      socket.close();
    });

    it("refuses other versions, transports and methods over polling", async () => {
      assert.equal(await status("transport=polling"), 400);
      assert.equal(await status("EIO=abc&transport=polling"), 400);
      assert.equal(await status("EIO=3&transport=polling"), 400);
      assert.equal(await status("EIO=4"), 400);
      assert.equal(await status("EIO=4&transport=abc"), 400);
      assert.equal(await status("EIO=4&transport=polling", { method: "post" }), 400);
      assert.equal(await status("EIO=4&transport=polling", { method: "put" }), 400);
    });

    it("refuses other versions and transports over WebSocket", async () => {
      for (const query of ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"]) {
        await line(query).next("close");
      }
    });

    it("pings over polling", async () => {
      const sid = await open();
      for (let round = 0; round < 3; round++) {
        const response = await fetch(url(polling(sid)));
        assert.equal(response.status, 200);
        assert.equal(await response.text(), "2");
        assert.equal((await post(sid, "3")).status, 200);
      }
    });

    it("ends a polling session that missed its pong", async () => {
      const sid = await open();
      // The ping, which is not answered, and then the end, unless that has come before it was asked for.
      const answers = [];
      while (answers.at(-1) !== 400) {
        const response = await fetch(url(polling(sid)));
        const text = await response.text();
        answers.push(response.status === 200 ? text : response.status);
      }
      assert.match(answers.join(), /^(2,)?(1,)?400$/);
    });

    it("pings over WebSocket", async () => {
      const socket = line();
      await socket.text();
      for (let round = 0; round < 3; round++) {
        assert.equal(await socket.text(), "2");
        socket.send("3");
      }
      socket.close();
    });

    it("ends a WebSocket session that missed its pong", async () => {
      await line().next("close");
    });

    it("ends a polling session on its goodbye", async () => {
      const sid = await open();
      const [poll] = await Promise.all([fetch(url(polling(sid))), post(sid, "1")]);
      assert.equal(poll.status, 200);
      assert.equal(await poll.text(), "6");
      assert.equal(await status(polling(sid)), 400);
    });

    it("ends a WebSocket session on its goodbye", async () => {
      const socket = line();
      await socket.text();
      socket.send("1");
      await socket.next("close");
    });

    it("closes a second WebSocket and refuses polls after an upgrade sent in one go", async () => {
      const sid = await open();
      const socket = line(`EIO=4&transport=websocket&sid=${sid}`);
      await socket.next("open");
      socket.send("2probe");
      socket.send("5");
      assert.equal(await status(polling(sid)), 400);
      await line(`EIO=4&transport=websocket&sid=${sid}`).next("close");
      socket.close();
    });
  });
}

describe("Engine.IO messages", () => {
  const path = "/engine.io/";
  const url = (query) => `${server.url}${path}?${query}`;
  const polling = (sid) => url(`EIO=4&transport=polling&sid=${sid}`);
  const open = async () => {
    const text = await (await fetch(url("EIO=4&transport=polling"))).text();
    return JSON.parse(text.slice(1)).sid;
  };
  const echo = async (body) => {
    const sid = await open();
    const posted = await fetch(polling(sid), { method: "post", body });
    assert.equal(posted.status, 200);
    assert.equal(await posted.text(), "ok");
    const polled = await fetch(polling(sid));
    assert.equal(polled.status, 200);
    assert.equal(await polled.text(), body);
  };

  it("echoes a text over polling", () => echo("4hello"));
  it("echoes several texts over polling", () => echo("4test1\x1e4test2\x1e4test3"));
  it("echoes text and bytes over polling", () => echo("4hello\x1ebAQIDBA=="));

  it("ends a session on a body that is no packet", async () => {
    const sid = await open();
    const posted = await fetch(polling(sid), { method: "post", body: "abc" });
    assert.equal(posted.status, 400);
    assert.equal((await fetch(polling(sid))).status, 400);
  });

  it("ends a session on a second poll", async () => {
    const sid = await open();
    // Whichever of them comes first.
    const both = await Promise.all([fetch(polling(sid)), fetch(`${polling(sid)}&t=burst`)]);
    const [first, second] = both.toSorted((one, other) => one.status - other.status);
    assert.equal(first.status, 200);
    assert.equal(await first.text(), "1");
    assert.equal(second.status, 400);
    assert.equal((await fetch(polling(sid))).status, 400);
  });

  it("ends a session on a cancelled poll", async () => {
    const sid = await open();
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const asked = (sid) => `GET ${path}?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`;
    // The first is answered, and then the other is what the server reads next.
    socket.write(asked("none") + asked(sid));
    await once(socket, "data");
    socket.destroy();
    assert.equal((await fetch(polling(sid))).status, 400);
  });

  it("echoes text and bytes over WebSocket", async () => {
    const socket = new Line(path, "EIO=4&transport=websocket");
    await socket.text();
    socket.send("4hello");
    assert.equal(await socket.text(), "4hello");
    socket.send(Uint8Array.of(1, 2, 3, 4));
    assert.deepEqual(new Uint8Array(await socket.text()), Uint8Array.of(1, 2, 3, 4));
    socket.close();
  });

  it("ends a session on a WebSocket text that is no packet", async () => {
    const socket = new Line(path, "EIO=4&transport=websocket");
    await socket.text();
    socket.send("abc");
    await socket.next("close");
  });

  it("goes over from polling to WebSocket", async () => {
    const sid = await open();
    const socket = new Line(path, `EIO=4&transport=websocket&sid=${sid}`);
    await socket.next("open");
    socket.send("2probe");
    assert.equal(await socket.text(), "3probe");
    const poll = await fetch(polling(sid));
    assert.equal(poll.status, 200);
    assert.equal(await poll.text(), "6");
    socket.send("5");
    socket.send("4hello");
    assert.equal(await socket.text(), "4hello");
    socket.close();
  });

  it("refuses polls and WebSockets after the upgrade and goes on", async () => {
    const sid = await open();
    const socket = new Line(path, `EIO=4&transport=websocket&sid=${sid}`);
    await socket.next("open");
    socket.send("2probe");
    await socket.text();
    socket.send("5");
    assert.equal((await fetch(polling(sid))).status, 400);
    await new Line(path, `EIO=4&transport=websocket&sid=${sid}`).next("close");
    socket.send("4hello");
    assert.equal(await socket.text(), "4hello");
    socket.close();
  });
});

describe("Socket.IO packets", () => {
  const line = async () => {
    const socket = new Line("/socket.io/", "EIO=4&transport=websocket");
    await socket.text();
    return socket;
  };
  const connected = async () => {
    const socket = await line();
    socket.send("40");
    await socket.packets(2);
    return socket;
  };

  for (const [packet, head, auth] of [
    ["40", "40", "{}"],
    ['40{"token":"123"}', "40", '{"token":"123"}'],
    ["40/custom,", "40/custom,", "{}"],
    ['40/custom,{"token":"abc"}', "40/custom,", '{"token":"abc"}'],
  ]) {
    it(`lets in ${packet}`, async () => {
      const socket = await line();
      socket.send(packet);
      const [answer, event] = await socket.packets(2);
      assert.ok(answer.startsWith(head));
      const { sid, ...rest } = JSON.parse(answer.slice(head.length));
      assert.match(sid, /^[\w-]{20}$/);
      assert.deepEqual(rest, {});
      assert.equal(event, `${head.replace("40", "42")}["auth",${auth}]`);
      socket.close();
    });
  }

  it("refuses an unknown namespace", async () => {
    const socket = await line();
    socket.send("40/random");
    assert.deepEqual(await socket.packets(1), ['44/random,{"message":"Invalid namespace"}']);
    socket.close();
  });

  it("ends a session that does not connect", async () => {
    const socket = await line();
    let pings = 0;
    socket.socket.on("message", () => {
      pings++;
      socket.send("3");
    });
    await socket.next("close");
    // By the server's own clock, as the pings are.
    assert.ok(pings <= CONNECT_TIMEOUT / PING_INTERVAL, `${pings} pings`);
  });

  it("stays open after leaving the main namespace", async () => {
    const socket = await connected();
    socket.send("41");
    assert.equal(await socket.text(), "2");
    socket.close();
  });

  it("leaves one namespace and stays in the other", async () => {
    const socket = await connected();
    socket.send("40/custom");
    await socket.packets(2);
    socket.send("41/custom");
    socket.send('42["message","message to main namespace"]');
    assert.deepEqual(await socket.packets(1), ['42["message-back","message to main namespace"]']);
    socket.close();
  });

  it("sends events back", async () => {
    const socket = await connected();
    socket.send('42["message",1,"2",{"3":[true]}]');
    assert.deepEqual(await socket.packets(1), ['42["message-back",1,"2",{"3":[true]}]']);
    socket.send('42456["message-with-ack",1,"2",{"3":[false]}]');
    assert.deepEqual(await socket.packets(1), ['43456[1,"2",{"3":[false]}]']);
    socket.close();
  });

  for (const [kind, asked, answered] of [
    ["events", "452-", "452-"],
    ["acknowledgements", "452-789", "462-789"],
  ]) {
    it(`sends attachments of ${kind} back`, async () => {
      const list = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
      const names = kind === "events" ? ['"message",', '"message-back",'] : ['"message-with-ack",', ""];
      const socket = await connected();
      socket.send(`${asked}[${names[0]}${list}]`);
      socket.send(Uint8Array.of(1, 2, 3));
      socket.send(Uint8Array.of(4, 5, 6));
      const [text, ...bytes] = await socket.packets(3);
      assert.equal(text, `${answered}[${names[1]}${list}]`);
      assert.deepEqual(bytes.map((one) => [...new Uint8Array(one)]), [[1, 2, 3], [4, 5, 6]]);
      socket.close();
    });
  }

  for (const packet of ["4abc", "42{}", '42abc["message-with-ack",1]', "40", '42["disconnect"]', "2probe", "7"]) {
    it(`ends the session on ${packet}`, async () => {
      const socket = await connected();
      socket.send(packet);
      await socket.next("close");
    });
  }
});
