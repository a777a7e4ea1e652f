import { setImmediate as nextTurn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { flag, frame, headerBlock, openPeer, type RawPeer, uint32 } from "./http2-frames.ts";
import { framed } from "./raw-call.ts";

/** What a client does that wants to stall everybody else, on one connection. */
export type Attack = {
  readonly name: string;
  /** The payload of its SETTINGS. */
  readonly settings?: Uint8Array;
  readonly reads?: boolean;
  /** Frames that are written at once; `firstStream` was not used before, nor the 9,998 ids after it. */
  readonly burst: (firstStream: number) => readonly Uint8Array[];
};

const streamsPerBurst = 5_000;

const path = {
  get: "/concord.workflow.v1.WorkflowService/GetWorkflow",
  list: "/concord.workflow.v1.WorkflowService/ListWorkflows",
  watch: "/concord.workflow.v1.WorkflowService/WatchWorkflowEvents",
};

function headersOf(rpc: keyof typeof path, more: Readonly<Record<string, string>> = {}): Buffer {
  return headerBlock({
    ":method": "POST",
    ":scheme": "http",
    ":path": path[rpc],
    ":authority": "abuse",
    "content-type": "application/grpc",
    te: "trailers",
    ...more,
  });
}

const headers = (streamId: number, block: Uint8Array, flags: number = flag.endHeaders) =>
  frame("headers", streamId, block, flags);
const data = (streamId: number, bytes: Uint8Array, flags: number = flag.none) => frame("data", streamId, bytes, flags);
const cancel = (streamId: number) => frame("reset", streamId, uint32(8));
const times = <Item>(count: number, make: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => make(index));

const get = headersOf("get");
const list = headersOf("list");
const watch = headersOf("watch");
/** `workflow_id: "w"` */
const getRequest = framed(Uint8Array.of(0x0a, 1, 0x77));
const emptyRequest = framed(new Uint8Array());
const large = headersOf("get", { large: "x".repeat(60 * 1024) });
const frameBytesMax = 16_384;
/** 64 MiB of zeros, in 64 KiB. */
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
const bombRequest = framed(bomb);
bombRequest.writeUInt8(1, 0);
/** SETTINGS_INITIAL_WINDOW_SIZE = 0 */
const noWindow = Buffer.from([0, 4, 0, 0, 0, 0]);

export const attacks: readonly Attack[] = [
  {
    name: "calls",
    burst: (first) =>
      times(100, (index) => first + 2 * index).flatMap((id) => [headers(id, get), data(id, getRequest, flag.endStream)]),
  },
  {
    name: "rapid reset",
    burst: (first) =>
      times(100, (index) => first + 2 * index).flatMap((id) => [
        headers(id, get),
        data(id, getRequest, flag.endStream),
        cancel(id),
      ]),
  },
  {
    name: "rapid reset of watches",
    burst: (first) =>
      times(100, (index) => first + 2 * index).flatMap((id) => [
        headers(id, watch),
        data(id, emptyRequest, flag.endStream),
        cancel(id),
      ]),
  },
  {
    name: "calls beyond all that a connection may have",
    burst: (first) => times(streamsPerBurst, (index) => headers(first + 2 * index, get)),
  },
  { name: "a flood of SETTINGS", burst: () => times(1_000, () => frame("settings", 0)) },
  { name: "a flood of PING", burst: () => times(1_000, () => frame("ping", 0, Buffer.alloc(8))) },
  {
    name: "a flood of PING, and no answer is read",
    reads: false,
    burst: () => times(1_000, () => frame("ping", 0, Buffer.alloc(8))),
  },
  {
    name: "a flood of empty DATA",
    burst: (first) => [headers(first, get), ...times(1_000, () => data(first, new Uint8Array()))],
  },
  {
    name: "a flood of CONTINUATION",
    burst: (first) => [
      headers(first, get, flag.none),
      ...times(1_000, () => frame("continuation", first, headerBlock({ a: "b" }))),
    ],
  },
  { name: "a flood of PRIORITY", burst: () => times(1_000, () => frame("priority", 1, Buffer.alloc(5, 1))) },
  { name: "a flood of WINDOW_UPDATE", burst: () => times(1_000, () => frame("windowUpdate", 0, uint32(1))) },
  { name: "a flood of frames that nobody knows", burst: () => times(1_000, () => frame("unknown", 0, Buffer.alloc(100))) },
  {
    name: "headers of 60 KiB",
    burst: (first) =>
      times(20, (index) => first + 2 * index).flatMap((id) => [
        headers(id, large.subarray(0, frameBytesMax), flag.endStream),
        ...times(3, (part) => {
          const bytes = large.subarray((part + 1) * frameBytesMax, (part + 2) * frameBytesMax);
          return frame("continuation", id, bytes, part === 2 ? flag.endHeaders : flag.none);
        }),
      ]),
  },
  {
    name: "messages that are half sent",
    burst: (first) =>
      times(100, (index) => first + 2 * index).flatMap((id) => [headers(id, get), data(id, getRequest.subarray(0, 6))]),
  },
  {
    name: "gzip bombs",
    burst: (first) => {
      const parts = times(Math.ceil(bombRequest.length / frameBytesMax), (part) =>
        bombRequest.subarray(part * frameBytesMax, (part + 1) * frameBytesMax),
      );
      return [
        headers(first, headersOf("get", { "grpc-encoding": "gzip" })),
        ...parts.map((part, index) => data(first, part, index === parts.length - 1 ? flag.endStream : flag.none)),
      ];
    },
  },
  {
    name: "large answers that are not let through",
    settings: noWindow,
    burst: (first) =>
      times(10, (index) => first + 2 * index).flatMap((id) => [headers(id, list), data(id, emptyRequest, flag.endStream)]),
  },
];

/**
 * Goes on until it is told to stop, with a new connection whenever the server has closed the last. Returns how many bursts it has sent,
 * and how often it was closed.
 */
export async function carryOut(
  { burst, settings, reads = true }: Attack,
  address: string,
  goesOn: (bursts: number) => boolean,
): Promise<{ readonly bursts: number; readonly closed: number }> {
  let bursts = 0;
  let closed = 0;
  let peer: RawPeer | undefined;
  let firstStream = 1;
  for (; goesOn(bursts); bursts += 1) {
    if (peer?.closed() === true) closed += 1;
    if (peer === undefined || peer.closed()) {
      peer = await openPeer(address, settings);
      if (!reads) peer.stopReading();
      firstStream = 1;
    }
    await peer.write(...burst(firstStream));
    firstStream += 2 * streamsPerBurst;
    // What has come is read, and a close is heard.
    await nextTurn();
  }
  peer?.close();
  return { bursts, closed };
}
