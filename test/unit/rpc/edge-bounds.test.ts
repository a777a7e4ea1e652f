import { once } from "node:events";
import { constants } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { headerBytesMax, lastingCountPerConnectionMax, streamCountPerConnectionMax } from "../../../src/rpc/limits.ts";
import type { Bound } from "../../../src/rpc/refusals.ts";
import { flag, frame, headerBlock, openPeer, type RawPeer } from "../../support/http2-frames.ts";
import { createProtoClient } from "../../support/proto-client.ts";
import { openRawConnection, type RawCall } from "../../support/raw-call.ts";
import { startRecordingServer } from "../../support/recording-server.ts";
import { until } from "../../support/until.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const forever = () => new Promise(() => undefined);

/** A server whose calls never end by themselves. */
async function start(options: Parameters<typeof startRecordingServer>[2] = {}) {
  const refused: Bound[] = [];
  const onRefused = (bound: Bound): void => void refused.push(bound);
  const silent = { [Symbol.asyncIterator]: () => ({ next: forever }) };
  const fakes = { getSystemStats: forever, watchWorkflowEvents: () => silent, participate: () => silent };
  const { server, address } = await startRecordingServer(fakes, undefined, { onRefused, ...options });
  const client = createProtoClient(address);
  cleanups.push(
    () => server.shutdown(0),
    () => client.close(),
  );
  const connect = (localAddress?: string) => {
    const connection = openRawConnection(address, localAddress);
    cleanups.push(connection.close);
    return connection;
  };
  const underWay = (kind: string, service: string) =>
    server.load().calls.find((each) => each.kind === kind && each.service.endsWith(service))?.underWay;
  return { server, address, client, connect, underWay, refused };
}

const path = {
  stats: "/concord.workflow.v1.WorkflowService/GetSystemStats",
  watch: "/concord.workflow.v1.WorkflowService/WatchWorkflowEvents",
  participate: "/concord.commit.v1.TwoPhaseCommit/Participate",
};

/** A call with all of its request. */
function begin(call: RawCall): RawCall {
  call.send(new Uint8Array());
  call.stream.end();
  return call;
}

const overloaded = (limit: number, what: string) => ({
  code: "RESOURCE_EXHAUSTED",
  message: `more than ${limit} ${what}; retry later`,
  reason: "OVERLOADED",
  metadata: { limit: String(limit) },
  retryAfterMs: 500,
});

describe("a bound of its own has each service, and each kind of call:", () => {
  const bounds = { callsMax: 4, streamsMax: 3, addressShare: 1 };

  test("who watches keeps nobody from calling, from health, and from a participant's session", async () => {
    const { client, connect, underWay, refused } = await start({ bounds });
    const other = connect();
    for (let count = 0; count < bounds.streamsMax; count += 1) begin(other.call(path.watch));
    await until(() => underWay("watch", "WorkflowService") === bounds.streamsMax, "all of them are open");

    const one = client.stream("WorkflowService/WatchWorkflowEvents", {});
    expect(await one.end()).toEqual(
      expect.objectContaining(overloaded(3, "watches of concord.workflow.v1.WorkflowService at once")),
    );
    expect(refused).toMatchObject([{ kind: "watch", of: "process", limit: 3 }]);
    expect(await client.call("Health/Check", {})).toEqual({ status: "SERVING" });
    expect(await client.stream("Health/Watch", {}).next()).toEqual({ status: "SERVING" });
    // As the recording server answers whatever comes to a handler.
    expect(await client.failure("WorkflowService/GetWorkflow", { workflow_id: "w" })).toMatchObject({ message: "noted" });
    client.converse("TwoPhaseCommit/Participate");
    await until(() => underWay("session", "TwoPhaseCommit") === 1, "a participant has come in");
  });

  test("who calls one service keeps nobody from another, from health, and from watching", async () => {
    const { client, connect, underWay } = await start({ bounds });
    const other = connect();
    for (let count = 0; count < bounds.callsMax; count += 1) begin(other.call(path.stats));
    await until(() => underWay("call", "WorkflowService") === bounds.callsMax, "all of them are under way");

    const told = overloaded(4, "calls of concord.workflow.v1.WorkflowService at once");
    expect(await client.failure("WorkflowService/GetSystemStats", {})).toMatchObject(told);
    expect(await client.call("Health/Check", {})).toEqual({ status: "SERVING" });
    expect(await client.failure("PredicateLogic/GetRule", { rule_id: "r" })).toMatchObject({ message: "noted" });
    begin(other.call(path.watch));
    await until(() => underWay("watch", "WorkflowService") === 1, "a watch has come in");
  });

  test("participants have one, too", async () => {
    const { client, connect, underWay } = await start({ bounds });
    const other = connect();
    for (let count = 0; count < bounds.streamsMax; count += 1) other.call(path.participate);
    await until(() => underWay("session", "TwoPhaseCommit") === bounds.streamsMax, "all of them are open");
    expect(await client.converse("TwoPhaseCommit/Participate").end()).toMatchObject(
      overloaded(3, "sessions of concord.commit.v1.TwoPhaseCommit at once"),
    );
  });

  test("a request that has not come yet counts, though no handler knows of it", async () => {
    const { client, connect, underWay } = await start({ bounds });
    const other = connect();
    for (let count = 0; count < bounds.callsMax; count += 1) other.call(path.stats).stream.write(Uint8Array.of(0, 0));
    await until(() => underWay("call", "WorkflowService") === bounds.callsMax, "all of them are under way");
    expect(await client.failure("WorkflowService/GetSystemStats", {})).toMatchObject({ reason: "OVERLOADED" });
  });

  test("what has ended gives its place back, however it has ended", async () => {
    const { connect, underWay, server } = await start({ bounds });
    const cancels = connect();
    const leaves = connect();
    const cancelled = begin(cancels.call(path.watch));
    begin(leaves.call(path.watch));
    begin(leaves.call(path.stats));
    await until(() => underWay("watch", "WorkflowService") === 2, "both are open");
    cancelled.stream.close(8);
    leaves.close();
    await until(() => server.load().calls.every((lane) => lane.underWay === 0), "nothing is under way");
    const again = Array.from({ length: 4 }, () => begin(cancels.call(path.watch)));
    expect(await again[3]?.status).toBe("8");
    expect(underWay("watch", "WorkflowService")).toBe(3);
  });

  test("handlers count on that work for callers who have left", async () => {
    const { client, connect, underWay } = await start({ bounds: { callsMax: 2, addressShare: 1 } });
    const leaves = connect();
    begin(leaves.call(path.stats));
    begin(leaves.call(path.stats));
    await until(() => underWay("call", "WorkflowService") === 2, "both are under way");
    leaves.close();
    await until(() => underWay("call", "WorkflowService") === 0, "their callers have left");
    const told = overloaded(2, "calls at once, those among them whose caller has left");
    expect(await client.failure("WorkflowService/GetSystemStats", {})).toMatchObject(told);
    expect(await client.call("Health/Check", {})).toEqual({ status: "SERVING" });
  });
});

describe("one address has its share:", () => {
  test("of calls, and another finds the rest", async () => {
    const { client, connect, underWay, refused } = await start({ bounds: { callsMax: 4, addressShare: 0.5 } });
    const [first, second] = [connect("127.0.0.2"), connect("127.0.0.2")];
    begin(first.call(path.stats));
    begin(second.call(path.stats));
    await until(() => underWay("call", "WorkflowService") === 2, "its share is under way");
    expect(await begin(second.call(path.stats)).status).toBe("8");
    expect(refused).toMatchObject([{ kind: "call", of: "address", limit: 2 }]);
    expect(await client.failure("WorkflowService/GetWorkflow", { workflow_id: "w" })).toMatchObject({ message: "noted" });
  });

  test("of connections, and another finds the rest", async () => {
    const { server, connect, client, refused } = await start({ bounds: { connectionsMax: 4, addressShare: 0.5 } });
    const first = connect("127.0.0.2");
    connect("127.0.0.2");
    await until(() => server.load().connections === 2, "its share is open");
    await once(connect("127.0.0.2").session, "close");
    expect(refused).toMatchObject([{ kind: "connection", of: "address", limit: 2 }]);
    expect(await client.call("Health/Check", {})).toEqual({ status: "SERVING" });
    first.close();
    await until(() => server.load().connections === 2, "it has hung up");
    begin(connect("127.0.0.2").call(path.stats));
    await until(() => server.load().connections === 3, "there is room for another");
  });
});

test("a connection beyond all that there may be is closed at once", async () => {
  const { server, connect, refused } = await start({ bounds: { connectionsMax: 2, addressShare: 1 } });
  connect();
  connect("127.0.0.2");
  await until(() => server.load().connections === 2, "both are open");
  await once(connect("127.0.0.3").session, "close");
  expect(refused).toMatchObject([{ kind: "connection", of: "process", limit: 2 }]);
});

test("watches leave room for calls on their own connection", async () => {
  const { connect, underWay, refused } = await start();
  const { call, session } = connect();
  await once(session, "remoteSettings");
  const watches = Array.from({ length: streamCountPerConnectionMax }, () => begin(call(path.watch)));
  expect(await watches[lastingCountPerConnectionMax]?.status).toBe("8");
  expect(refused[0]).toMatchObject({ of: "connection", limit: lastingCountPerConnectionMax });
  expect(underWay("watch", "WorkflowService")).toBe(lastingCountPerConnectionMax);
  // FAILED_PRECONDITION: the recording server's own answer.
  expect(await begin(call("/concord.workflow.v1.WorkflowService/ListWorkflows")).status).toBe("9");
});

test("a client that cancels all that a connection may have, and all of it anew, keeps its connection", async () => {
  const { connect, underWay, client } = await start({ bounds: { addressShare: 1 } });
  const { call, session } = connect();
  await once(session, "remoteSettings");
  const spared = begin(call(path.watch));
  for (let round = 1; round <= 2; round += 1) {
    const calls = Array.from({ length: streamCountPerConnectionMax - 1 }, () => begin(call(path.stats)));
    await until(() => underWay("call", "WorkflowService") === calls.length, "all of them are under way");
    for (const { stream } of calls) stream.close(8);
    await until(() => underWay("call", "WorkflowService") === 0, "all of them are over");
  }
  expect(session.destroyed).toBe(false);
  expect(spared.stream.closed).toBe(false);
  expect(underWay("watch", "WorkflowService")).toBe(1);
  expect(await client.call("Health/Check", {})).toEqual({ status: "SERVING" });
});

test("headers that are too large reset their stream, and nothing else", async () => {
  const { connect } = await start();
  const { call, session } = connect();
  await once(session, "remoteSettings");
  const { stream } = call(path.stats, { large: "x".repeat(headerBytesMax) });
  await until(() => stream.closed, "its stream is over");
  expect(stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  const fitting = begin(
    call("/concord.workflow.v1.WorkflowService/ListWorkflows", { large: "x".repeat(headerBytesMax - 1_024) }),
  );
  expect(await fitting.status).toBe("9");
});

describe("headers of a client that has not acknowledged the settings", () => {
  /** HPACK, RFC 7541: a literal that is indexed, and the newest that was. */
  const indexed = (name: string, value: string) => {
    const literal = headerBlock({ [name]: value });
    literal.writeUInt8(0x40, 0);
    return literal;
  };
  const newest = Uint8Array.of(0xbe);

  const open = async (address: string): Promise<RawPeer> => {
    const peer = await openPeer(address);
    cleanups.push(peer.close);
    return peer;
  };
  /** A call whose request does not come. */
  const half = (streamId: number, rpc: string, ...more: readonly Uint8Array[]) => {
    const pseudo = { ":method": "POST", ":scheme": "http", ":authority": "a", ":path": rpc };
    const standing = { ...pseudo, "content-type": "application/grpc", te: "trailers" };
    const block = Buffer.concat([headerBlock(standing), ...more]);
    // What fits in no one frame.
    const [first, rest] = [block.subarray(0, 10_000), block.subarray(10_000)];
    return Buffer.concat([frame("headers", streamId, first), frame("continuation", streamId, rest, flag.endHeaders)]);
  };

  test.each([
    { what: "one large header", more: [headerBlock({ large: "x".repeat(16_300) })] },
    { what: "one that is named many times", more: [indexed("large", "x".repeat(3_900)), newest, newest, newest, newest] },
    {
      what: "one binary header of many values, each of which becomes a Buffer",
      more: [headerBlock({ "x-bin": ",".repeat(600) })],
    },
  ])("reset their stream, and nothing else, if they are too large: $what", async ({ more }) => {
    const { address, underWay } = await start();
    const peer = await open(address);
    await peer.write(half(1, path.stats, ...more), half(3, path.stats));
    await until(() => underWay("call", "WorkflowService") === 1, "the other is under way");
    await until(() => peer.received("reset") === 1, "the first was reset");
    // No answer that reads like one.
    expect(peer.received("headers")).toBe(0);
  });

  test("are bounded in what they take together, for as long as their streams are open; who has few is not refused", async () => {
    const bounds = { keptHeaderBytesMax: 100_000, addressShare: 1 };
    const { address, client, connect, underWay, refused } = await start({ bounds });
    const peer = await open(address);
    const large = [indexed("large", "x".repeat(3_900)), newest, newest];
    await peer.write(half(1, path.watch, ...large));
    for (let id = 3; id < 41; id += 2) await peer.write(half(id, path.watch, newest, newest, newest));
    await until(() => refused.length === 13, "the others are refused");
    expect(refused[0]).toEqual({ kind: "header-byte", service: "", of: "process", limit: 100_000 });
    expect(underWay("watch", "WorkflowService")).toBe(7);

    const more = { large: "x".repeat(8_000) };
    expect(await begin(connect().call(path.stats, more)).status).toBe("8");
    expect(await client.call("Health/Check", {})).toEqual({ status: "SERVING" });
    expect(await client.failure("WorkflowService/GetWorkflow", { workflow_id: "w" })).toMatchObject({ message: "noted" });
    peer.close();
    await until(() => underWay("watch", "WorkflowService") === 0, "it has hung up");
    expect(await begin(connect().call("/concord.workflow.v1.WorkflowService/ListWorkflows", more)).status).toBe("9");
  });

  test("have a share of that for each address", async () => {
    const { address, connect, refused, underWay } = await start({ bounds: { keptHeaderBytesMax: 100_000, addressShare: 0.5 } });
    const peer = await open(address);
    const large = headerBlock({ large: "x".repeat(12_000) });
    for (let id = 1; id < 11; id += 2) await peer.write(half(id, path.watch, large));
    await until(() => refused.length === 2, "the others are refused");
    expect(refused[0]).toEqual({ kind: "header-byte", service: "", of: "address", limit: 50_000 });
    begin(connect("127.0.0.3").call(path.watch, { large: "x".repeat(12_000) }));
    await until(() => underWay("watch", "WorkflowService") === 4, "another finds the rest");
  });
});

test.each([
  { what: "of another content-type", headers: { "content-type": "text/html" } },
  { what: "a GET of a browser", headers: { ":method": "GET", "content-type": undefined } },
])("what is no call of gRPC hears 415 of HTTP: $what", async ({ headers }) => {
  const { connect } = await start();
  const { stream } = connect().call(path.stats, headers);
  const [answer] = await once(stream, "response");
  expect(answer).toMatchObject({ ":status": 415 });
  stream.resume();
  await until(() => stream.closed, "its stream is over");
});

test("a request without a path is reset as malformed, and its connection stays", async () => {
  const { address, underWay } = await start();
  const peer = await openPeer(address);
  cleanups.push(peer.close);
  const pathless = { ":method": "POST", ":scheme": "http", ":authority": "a" };
  const headers = (id: number, block: Readonly<Record<string, string>>) =>
    frame("headers", id, headerBlock({ ...block, "content-type": "application/grpc" }), flag.endHeaders);
  await peer.write(headers(1, pathless), headers(3, { ...pathless, ":path": path.stats }));
  await until(() => underWay("call", "WorkflowService") === 1, "the other is under way");
  await until(() => peer.received("reset") === 1, "it was reset");
});

describe("a connection is closed", () => {
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  const openSocket = (address: string): Socket => {
    const [host, port] = address.split(":");
    const socket = connectTcp({ host, port: Number(port) });
    cleanups.push(() => socket.destroy());
    socket.on("error", () => undefined).resume();
    return socket;
  };

  test.each([
    { what: "nothing", said: "" },
    { what: "half a preface", said: preface.slice(0, 10) },
    { what: "a preface, and no settings", said: preface },
  ])("that has said $what in time; one that has spoken stays", async ({ said }) => {
    const { address, connect, server } = await start({ times: { handshakeMs: 500 } });
    const other = connect();
    await once(other.session, "remoteSettings");
    const socket = openSocket(address);
    socket.write(said);
    await once(socket, "close");
    await until(() => server.load().connections === 1, "only the other is left");
    expect(other.session.destroyed).toBe(false);
  });

  test("that has no call for long", async () => {
    const { connect } = await start({ times: { connectionIdleMs: 100 } });
    await once(connect().session, "close");
  });

  test("that says its headers byte by byte: it answers no ping meanwhile", async () => {
    const { address } = await start({ times: { keepaliveMs: 100, keepaliveTimeoutMs: 100 } });
    const socket = openSocket(address);
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    const headersFrame = Buffer.from([0, 0x40, 0, 1, 4, 0, 0, 0, 1]);
    socket.write(Buffer.concat([Buffer.from(preface), settings, headersFrame]));
    const drip = setInterval(() => socket.write(Uint8Array.of(0)), 20);
    cleanups.push(() => clearInterval(drip));
    await once(socket, "close");
  });
});
