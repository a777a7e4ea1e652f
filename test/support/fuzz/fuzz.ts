import { type DescMethod, type DescService, fromBinary, toJsonString } from "@bufbuild/protobuf";
import { type ClientReadableStream, credentials, Client as GrpcClient, Metadata, type ServiceError } from "@grpc/grpc-js";
import { registry } from "../../../src/rpc/descriptors.ts";
import { concordServices, failureFrom } from "../proto-client.ts";
import { type Mutation, randomMessage, spoil, type Tape } from "../random-message.ts";
import { mayAnswer } from "./answers.ts";
import { type Learnt, ordinary, type Place } from "./words.ts";

/** A call that was answered as none may be. */
export type Finding = { readonly call: number; readonly rpc: string; readonly request: string; readonly what: string };

export type FuzzResult = { readonly answers: ReadonlyMap<string, number>; readonly findings: readonly Finding[] };

type Options = {
  readonly address: string;
  /** The same seed makes the same calls; what they meet depends on how they overlap. */
  readonly seed: number;
  readonly calls: number;
  readonly onProgress?: (done: number) => void;
};

/** Calls under way at a time, and connections that they share. */
const atOnce = 32;
const connectionCount = 4;
const findingCountMax = 20;
const learntCountMax = 50;
/** A stream that is left says no more than this. */
const streamMs = 30;

export const methods: readonly DescMethod[] = concordServices.flatMap(
  ({ fullName }) => (registry.getService(fullName) as DescService).methods,
);

/** Calls every RPC with messages made from the descriptors: most of them right or nearly right, some spoilt, some made of noise. */
export async function fuzz({ address, seed, calls, onProgress }: Options): Promise<FuzzResult> {
  const clients = Array.from(
    { length: connectionCount },
    () => new GrpcClient(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 }),
  );
  const learnt: Learnt = { transactionIds: [], pageTokens: [] };
  const answers = new Map<string, number>();
  const findings: Finding[] = [];
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < calls && findings.length < findingCountMax) {
      const call = next++;
      onProgress?.(call);
      const tape = tapeFor(seed, call);
      const method = methods[tape.below(methods.length)];
      const client = clients[call % clients.length];
      if (method === undefined || client === undefined) continue;
      const requests = requestsOf(method, tape, learnt);
      const outcome = await make(client, method, requests, tape);
      for (const bytes of outcome.messages) learn(learnt, method, bytes);
      const what = problemOf(method, outcome);
      if (what !== undefined) findings.push({ call, rpc: pathOf(method), request: requests.map(hex).join(" "), what });
      const answer = `${method.name} ${outcome.reason ?? outcome.code}`;
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  for (const client of clients) client.close();
  return { answers, findings };
}

const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Mulberry32 over both numbers: each call is the same, whatever was called before. */
function tapeFor(seed: number, call: number): Tape {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(call + 1, 0x85ebca6b)) >>> 0;
  return {
    below(count) {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, count);
    },
  };
}

function requestsOf(method: DescMethod, tape: Tape, learnt: Learnt): readonly Uint8Array[] {
  if (method.methodKind !== "bidi_streaming") return [requestOf(method, tape, learnt)];
  let opening = requestOf(method, tape, learnt);
  // Of a session: without a Hello nothing after it is heard. Now and then, none is found.
  for (let tries = 0; tries < 20 && opensSession(method) && !isHello(method, opening); tries += 1)
    opening = requestOf(method, tape, learnt);
  const further = Array.from({ length: tape.below(8) }, (_, index) => requestOf(method, tape, learnt, { sequence: index + 2 }));
  return [opening, ...further];
}

const opensSession = ({ input }: DescMethod): boolean => input.fields.some(({ localName }) => localName === "sequence");

function isHello({ input }: DescMethod, bytes: Uint8Array): boolean {
  try {
    return toJsonString(input, fromBinary(input, bytes), { registry }).includes('"hello"');
  } catch {
    return false;
  }
}

function requestOf({ input }: DescMethod, tape: Tape, learnt: Learnt, place: Place = { sequence: 1 }): Uint8Array {
  const kind = tape.below(100);
  if (kind < 5) return Uint8Array.from({ length: tape.below(60) }, () => tape.below(256));
  const bytes = randomMessage(input, tape, 0, kind < 15 ? undefined : ordinary(learnt, place));
  return kind < 25 ? spoil(bytes, mutationsOf(tape)) : bytes;
}

const mutationTypes = ["change", "insert", "remove", "cut", "repeat"] as const;

function mutationsOf(tape: Tape): readonly Mutation[] {
  return Array.from({ length: 1 + tape.below(3) }, () => ({
    type: mutationTypes[tape.below(mutationTypes.length)] ?? "change",
    at: tape.below(400),
    byte: tape.below(256),
  }));
}

type Outcome = {
  readonly code: string;
  readonly reason: string | undefined;
  readonly messages: readonly Uint8Array[];
  /** The caller had enough: what it hears then is its own. */
  readonly left: boolean;
};

/** Some callers are impatient, some leave. */
function make(client: GrpcClient, method: DescMethod, requests: readonly Uint8Array[], tape: Tape): Promise<Outcome> {
  const patienceMs = tape.below(10) === 0 ? 1 + tape.below(20) : 20_000;
  const leaveAfterMs = method.methodKind === "unary" ? (tape.below(20) === 0 ? tape.below(10) : undefined) : streamMs;
  const path = pathOf(method);
  const options = { deadline: Date.now() + patienceMs };
  const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const messages: Uint8Array[] = [];
  return new Promise((resolve) => {
    let left = false;
    const end = (error?: ServiceError | null): void => {
      clearTimeout(leaving);
      // Without a reason the status was made at home.
      const failure = error ? failureFrom(error) : undefined;
      left ||= patienceMs < 1_000 && failure?.code === "DEADLINE_EXCEEDED";
      resolve({ code: failure?.code ?? "OK", reason: failure?.reason, messages, left });
    };
    const follow = <Stream extends ClientReadableStream<Uint8Array>>(stream: Stream): Stream => {
      stream.on("data", (message: Uint8Array) => void messages.push(message));
      stream.on("error", end);
      stream.on("end", () => setImmediate(end));
      return stream;
    };
    const begin = (): { readonly cancel: () => void } => {
      const [request = new Uint8Array()] = requests;
      if (method.methodKind === "server_streaming") {
        return follow(client.makeServerStreamRequest(path, same, same, request, new Metadata(), options));
      }
      if (method.methodKind === "bidi_streaming") {
        const stream = follow(client.makeBidiStreamRequest(path, same, same, new Metadata(), options));
        for (const each of requests) stream.write(each);
        return stream;
      }
      return client.makeUnaryRequest(path, same, same, request, new Metadata(), options, (error, answer) => {
        if (answer !== undefined) messages.push(answer);
        end(error);
      });
    };
    const call = begin();
    const leaving =
      leaveAfterMs === undefined
        ? undefined
        : setTimeout(() => {
            left = true;
            call.cancel();
          }, leaveAfterMs);
  });
}

function problemOf(method: DescMethod, { code, reason, left }: Outcome): string | undefined {
  if (left && ["CANCELLED", "DEADLINE_EXCEEDED"].includes(code)) return undefined;
  if (!mayAnswer(method.name, code)) return `answers ${code} / ${reason}`;
  return code === "OK" || reason !== undefined ? undefined : `answers ${code} without a reason`;
}

/** Every answer is read whole, strictly. */
function learn({ transactionIds, pageTokens }: Learnt, { output }: DescMethod, bytes: Uint8Array): void {
  const json = toJsonString(output, fromBinary(output, bytes), { registry });
  const keep = (list: string[], pattern: RegExp): void => {
    for (const [, value = ""] of json.matchAll(pattern)) {
      if (value !== "" && !list.includes(value)) list.push(value);
      if (list.length > learntCountMax) list.shift();
    }
  };
  keep(transactionIds, /"transactionId":"([^"]*)"/g);
  keep(pageTokens, /"nextPageToken":"([^"]*)"/g);
}
