import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Roster } from "../kernel/roster.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Connection } from "./connections.ts";
import { registry } from "./descriptors.ts";
import { overloaded, turnTooLate } from "./errors.ts";
import type { HeaderSize } from "./headers.ts";
import { headerBytesFree, lastingCountPerConnectionMax, turnWaitMaxMs } from "./limits.ts";
import { isLongPoll } from "./long-polls.ts";
import { type Bound, boundWords, type CallKind, type Refused } from "./refusals.ts";
import { createQueue, type Queue } from "./starting.ts";
import { statusHeaders } from "./status-headers.ts";

/** No caller gains anything by coming back sooner. */
const retryAfterMinMs: DurationMs = 100;

/**
 * Whose bounds are one: all calls of one kind to one service. So those who watch keep nobody from calling, those who call one service
 * keep nobody from another, and nobody keeps health from answering, or participants from their sessions.
 */
type Lane = {
  readonly kind: CallKind;
  readonly index: number;
  readonly ofProcess: Bound;
  readonly ofAddress: Bound;
  underWay: number;
};

/** What a path leads to. Each method has a line of its own, so that nobody who reads waits for those who write. */
type Method = { readonly lane: Lane; readonly queue: Queue; readonly late: Bound };

/** A call whose stream is open. */
export type OpenCall = {
  readonly stream: ServerHttp2Stream;
  readonly caller: Connection;
  readonly kind: CallKind;
  /** Where it waits until it begins. */
  readonly queue: Queue;
  /** What it is told of if that takes too long. */
  readonly late: Bound;
  /** Nobody reads its request before. */
  hasBegun: boolean;
  /** How often it was looked at, and its request was not whole. */
  looks: number;
};

export type Load = { readonly service: string; readonly kind: CallKind; readonly underWay: number; readonly waiting: number };

/** Decides of each call, from its headers alone, whether there is room for it. */
export type Admission = {
  /** Makes room for a service. `otherKind`: of methods of which there is no descriptor. */
  readonly serve: (service: string, otherKind?: CallKind) => void;
  /** Undefined: it was refused, and answered. What is admitted counts until its stream is closed. */
  readonly admit: (stream: ServerHttp2Stream, path: string, headers: HeaderSize, caller: Connection) => OpenCall | undefined;
  /** Answers one that has not begun, and would have to wait so long for that. */
  readonly refuseTurn: (call: OpenCall, waitMs: DurationMs) => void;
  readonly open: Iterable<OpenCall>;
  readonly load: () => readonly Load[];
};

export type CallBounds = {
  readonly callsMax: number;
  readonly streamsMax: number;
  readonly keptHeaderBytesMax: number;
  /** Of each of them, how much one address may have. */
  readonly addressShare: number;
  /** Calls of one method that are begun at a time, however busy the process is. */
  readonly windowMin: number;
};

export function createAdmission(bounds: CallBounds, refused: Refused): Admission {
  const lanes: Lane[] = [];
  const methods = new Map<string, Method>();
  /** By service: for methods of which there is no descriptor. */
  const others = new Map<string, Method>();
  const unknown = { queue: createQueue(undefined), late: { kind: "call", service: "", of: "process", limit: 0 } as const };
  const lasting: Bound = { kind: "watch", service: "", of: "connection", limit: lastingCountPerConnectionMax };
  const headersOfProcess: Bound = { kind: "header-byte", service: "", of: "process", limit: bounds.keptHeaderBytesMax };
  const headersOfAddress: Bound = { ...headersOfProcess, of: "address", limit: shareOf(headersOfProcess) };
  let keptHeaderBytes = 0;
  const open = new Roster<OpenCall>();

  function shareOf({ limit }: Bound): number {
    return Math.ceil(limit * bounds.addressShare);
  }

  function laneOf(service: string, kind: CallKind): Lane {
    const known = lanes.find((lane) => lane.kind === kind && lane.ofProcess.service === service);
    if (known !== undefined) return known;
    const ofProcess: Bound = { kind, service, of: "process", limit: kind === "call" ? bounds.callsMax : bounds.streamsMax };
    const ofAddress: Bound = { ...ofProcess, of: "address", limit: shareOf(ofProcess) };
    const lane = { kind, index: lanes.length, ofProcess, ofAddress, underWay: 0 };
    lanes.push(lane);
    return lane;
  }

  const methodOf = (service: string, kind: CallKind): Method => ({
    lane: laneOf(service, kind),
    queue: createQueue(kind === "call" ? bounds.windowMin : undefined),
    late: { kind: "waiting-call", service, of: "process", limit: bounds.windowMin },
  });

  function excess(lane: Lane, { address, lastingCount }: Connection): Bound | undefined {
    if (lane.underWay >= lane.ofProcess.limit) return lane.ofProcess;
    if ((address.underWay[lane.index] ?? 0) >= lane.ofAddress.limit) return lane.ofAddress;
    return lane.kind !== "call" && lastingCount >= lasting.limit ? lasting : undefined;
  }

  function headerExcess(keptBytes: number, { address }: Connection): Bound | undefined {
    if (keptBytes === 0) return undefined;
    if (keptHeaderBytes + keptBytes > headersOfProcess.limit) return headersOfProcess;
    return address.keptHeaderBytes + keptBytes > headersOfAddress.limit ? headersOfAddress : undefined;
  }

  function countHeaders(bytes: number, { address }: Connection): void {
    keptHeaderBytes += bytes;
    address.keptHeaderBytes += bytes;
  }

  function waitingIn(lane: Lane): number {
    let count = 0;
    for (const byName of [methods, others]) {
      for (const method of byName.values()) if (method.lane === lane) count += method.queue.waitingCount;
    }
    return count;
  }

  // The same for everybody, and wanted when there is no time to make it.
  const answerTo = kept((bound: Bound) => statusHeaders(overloaded(bound.limit, boundWords(bound))));
  const turnAnswer = kept((waitMs: DurationMs) => statusHeaders(turnTooLate(waitMs)));

  function refuse(stream: ServerHttp2Stream, bound: Bound, answer: OutgoingHttpHeaders): void {
    // Nobody reads the request: Node closes the stream once this is sent.
    stream.respond(answer, { endStream: true });
    refused(bound);
  }

  return {
    serve(service, otherKind = "call") {
      for (const { name, methodKind } of registry.getService(service)?.methods ?? []) {
        const path = `/${service}/${name}`;
        const isWatch = methodKind === "server_streaming" || isLongPoll(path);
        methods.set(path, methodOf(service, isWatch ? "watch" : methodKind === "unary" ? "call" : "session"));
      }
      others.set(service, methodOf(service, otherKind));
    },
    admit(stream, path, headers, caller) {
      const method = methods.get(path) ?? others.get(path.slice(1, path.lastIndexOf("/")));
      // grpc-js refuses it at once.
      const { lane, queue, late } = method ?? { lane: undefined, ...unknown };
      if (lane === undefined) return { stream, caller, kind: "call", queue, late, hasBegun: false, looks: 0 };
      const keptBytes = headers.bytes > headerBytesFree ? headers.keptBytes : 0;
      const bound = excess(lane, caller) ?? headerExcess(keptBytes, caller);
      if (bound !== undefined) {
        refuse(stream, bound, answerTo(bound));
        return undefined;
      }
      const call: OpenCall = { stream, caller, kind: lane.kind, queue, late, hasBegun: false, looks: 0 };
      const entry = open.enter(call);
      count(lane, caller, 1);
      countHeaders(keptBytes, caller);
      stream.once("close", () => {
        open.leave(entry);
        count(lane, caller, -1);
        countHeaders(-keptBytes, caller);
      });
      return call;
    },
    refuseTurn: ({ stream, late }, waitMs) => {
      if (!stream.destroyed) refuse(stream, late, turnAnswer(roundedWaitMs(waitMs)));
    },
    open,
    load: () =>
      lanes.map((lane) => ({
        service: lane.ofProcess.service,
        kind: lane.kind,
        underWay: lane.underWay,
        waiting: waitingIn(lane),
      })),
  };
}

/** As one says it: of two digits at most, and no sooner than anybody gains from it. */
function roundedWaitMs(waitMs: DurationMs): DurationMs {
  const step = waitMs < 1_000 ? 100 : 500;
  return Math.min(turnWaitMaxMs, Math.max(retryAfterMinMs, Math.ceil(waitMs / step) * step));
}

function kept<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const made = new Map<Key, Value>();
  return (key) => {
    const value = made.get(key) ?? make(key);
    made.set(key, value);
    return value;
  };
}

function count(lane: Lane, caller: Connection, change: 1 | -1): void {
  lane.underWay += change;
  caller.address.underWay[lane.index] = (caller.address.underWay[lane.index] ?? 0) + change;
  if (lane.kind !== "call") caller.lastingCount += change;
}
