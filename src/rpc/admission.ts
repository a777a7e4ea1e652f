import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Connection } from "./connections.ts";
import { registry } from "./descriptors.ts";
import { overloaded } from "./errors.ts";
import type { HeaderSize } from "./headers.ts";
import { headerBytesFree, lastingCountPerConnectionMax } from "./limits.ts";
import { isLongPoll } from "./long-polls.ts";
import { type Bound, boundWords, type CallKind, type Refused } from "./refusals.ts";
import { statusHeaders } from "./status-headers.ts";

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

/** A call whose stream is open. */
export type OpenCall = {
  readonly stream: ServerHttp2Stream;
  readonly caller: Connection;
  readonly kind: CallKind;
  /** How often it was looked at, and its request was not whole. */
  looks: number;
};

export type Load = { readonly service: string; readonly kind: CallKind; readonly underWay: number };

/** Decides of each call, from its headers alone, whether there is room for it. */
export type Admission = {
  /** Makes room for a service. `otherKind`: of methods of which there is no descriptor. */
  readonly serve: (service: string, otherKind?: CallKind) => void;
  /** False: it was refused, and answered. What is admitted counts until its stream is closed. */
  readonly admit: (stream: ServerHttp2Stream, path: string, headers: HeaderSize, caller: Connection) => boolean;
  readonly open: ReadonlySet<OpenCall>;
  readonly load: () => readonly Load[];
};

export type CallBounds = {
  readonly callsMax: number;
  readonly streamsMax: number;
  readonly keptHeaderBytesMax: number;
  /** Of each of them, how much one address may have. */
  readonly addressShare: number;
};

export function createAdmission(bounds: CallBounds, refused: Refused): Admission {
  const lanes: Lane[] = [];
  const laneByPath = new Map<string, Lane>();
  /** For methods of which there is no descriptor. */
  const otherLanes = new Map<string, Lane>();
  const lasting: Bound = { kind: "watch", service: "", of: "connection", limit: lastingCountPerConnectionMax };
  const headersOfProcess: Bound = { kind: "header-byte", service: "", of: "process", limit: bounds.keptHeaderBytesMax };
  const headersOfAddress: Bound = { ...headersOfProcess, of: "address", limit: shareOf(headersOfProcess) };
  let keptHeaderBytes = 0;
  const open = new Set<OpenCall>();
  const answers = new Map<Bound, OutgoingHttpHeaders>();

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

  function refuse(stream: ServerHttp2Stream, bound: Bound): void {
    // The same for everybody, and wanted when there is no time to make it.
    const answer = answers.get(bound) ?? statusHeaders(overloaded(bound.limit, boundWords(bound)));
    answers.set(bound, answer);
    // Nobody reads the request: Node closes the stream once this is sent.
    stream.respond(answer, { endStream: true });
    refused(bound);
  }

  return {
    serve(service, otherKind = "call") {
      for (const { name, methodKind } of registry.getService(service)?.methods ?? []) {
        const path = `/${service}/${name}`;
        const isWatch = methodKind === "server_streaming" || isLongPoll(path);
        laneByPath.set(path, laneOf(service, isWatch ? "watch" : methodKind === "unary" ? "call" : "session"));
      }
      otherLanes.set(service, laneOf(service, otherKind));
    },
    admit(stream, path, headers, caller) {
      const lane = laneByPath.get(path) ?? otherLanes.get(path.slice(1, path.lastIndexOf("/")));
      // grpc-js refuses it at once.
      if (lane === undefined) return true;
      const keptBytes = headers.bytes > headerBytesFree ? headers.keptBytes : 0;
      const bound = excess(lane, caller) ?? headerExcess(keptBytes, caller);
      if (bound !== undefined) {
        refuse(stream, bound);
        return false;
      }
      const call: OpenCall = { stream, caller, kind: lane.kind, looks: 0 };
      open.add(call);
      count(lane, caller, 1);
      countHeaders(keptBytes, caller);
      stream.once("close", () => {
        open.delete(call);
        count(lane, caller, -1);
        countHeaders(-keptBytes, caller);
      });
      return true;
    },
    open,
    load: () => lanes.map(({ kind, ofProcess, underWay }) => ({ service: ofProcess.service, kind, underWay })),
  };
}

function count(lane: Lane, caller: Connection, change: 1 | -1): void {
  lane.underWay += change;
  caller.address.underWay[lane.index] = (caller.address.underWay[lane.index] ?? 0) + change;
  if (lane.kind !== "call") caller.lastingCount += change;
}
