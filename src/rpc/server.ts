import type { DescMessage } from "@bufbuild/protobuf";
import { ServerCredentials } from "@grpc/grpc-js";
import { createServer, type Server } from "nice-grpc";
import { errorDetailsServerMiddleware } from "nice-grpc-error-details";
import { takesTls } from "../kernel/address.ts";
import { assert } from "../kernel/assert.ts";
import {
  addressShareMax,
  callCountMax,
  connectionCountMax,
  messageBytesDefault,
  receivingBytesMax,
  streamCountMax,
} from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { type LoopWatch, unwatched } from "../runtime/loop-watch.ts";
import type { Tls } from "../runtime/tls/tls.ts";
import { within } from "../runtime/within.ts";
import { createAdmission, type Load } from "./admission.ts";
import { bursts } from "./bursts.ts";
import { callMemory } from "./call-memory.ts";
import { type Calls, createCalls } from "./calls.ts";
import { type CarriedSocket, createConnections } from "./connections.ts";
import { createContextMiddleware, deadlineInterceptor, type RpcContext, type Told } from "./context.ts";
import { registry } from "./descriptors.ts";
import { answerEncoder, EncodedAnswer } from "./encoded-answer.ts";
import { createEntrants } from "./entrants.ts";
import { framed } from "./frames.ts";
import { type Accept, listenBehind } from "./front.ts";
import { type Gate, openGate } from "./gate.ts";
import { createHealth, healthDefinition } from "./health.ts";
import {
  connectionIdleMs,
  handshakeMs,
  keepaliveMs,
  keepaliveTimeoutMs,
  keptHeaderBytesMax,
  lookMs,
  requestMs,
  unreadBytesMax,
  windowMin,
} from "./limits.ts";
import { endOverdue } from "./overdue.ts";
import { type OwnListener, openOwnListener } from "./own-listener.ts";
import { createPace } from "./pace.ts";
import { createReceiving } from "./receiving.ts";
import { createReflection, reflectionDefinition, reflectionNames } from "./reflection.ts";
import { type CallKind, logRefusals, type Refused } from "./refusals.ts";
import { createStarting } from "./starting.ts";
import { transportRefusals } from "./transport-refusals.ts";
import { validatingDecoder } from "./validation.ts";

type AddBuilder = Pick<Server<RpcContext>, "add" | "with">;

/** Adds a service to a server that is being built. */
export type RpcService = {
  /** The full name, as reflection and health know it. */
  readonly name: string;
  readonly addTo: (server: AddBuilder) => void;
};

/** How much this process takes on at once. */
export type EdgeBounds = {
  readonly connectionsMax: number;
  /** Unary calls under way, of each service. */
  readonly callsMax: number;
  /** Watches of each service, and as many sessions. */
  readonly streamsMax: number;
  /** Of each of them, how much one address may have: above 0, up to 1. */
  readonly addressShare: number;
  /** Of one method, the calls that are begun at a time, however busy the process is. */
  readonly windowMin: number;
  /** Of the headers of all calls under way, as far as they are large. */
  readonly keptHeaderBytesMax: number;
  /** Of one request. */
  readonly requestBytesMax: number;
  /** Of all requests that are not whole yet. */
  readonly receivingBytesMax: number;
  /** Of all answers that are not read yet. */
  readonly unreadBytesMax: number;
};

const edgeBounds: EdgeBounds = {
  connectionsMax: connectionCountMax,
  callsMax: callCountMax,
  streamsMax: streamCountMax,
  addressShare: addressShareMax,
  windowMin,
  keptHeaderBytesMax,
  requestBytesMax: messageBytesDefault,
  receivingBytesMax,
  unreadBytesMax,
};

/** How long a connection may do what. */
const edgeTimes = { handshakeMs, connectionIdleMs, keepaliveMs, keepaliveTimeoutMs, requestMs, lookMs };

export type EdgeLoad = { readonly connections: number; readonly receivingBytes: number; readonly calls: readonly Load[] };

type ServerOptions = Told & {
  readonly services: readonly RpcService[];
  readonly logger: Logger;
  /** Who may come in. Unless it is there: everybody. */
  readonly gate?: Gate;
  readonly loop?: LoopWatch;
  readonly bounds?: Partial<EdgeBounds>;
  readonly times?: Partial<typeof edgeTimes>;
  /** Of what comes by a port; a unix socket is plain, and its file's mode says who may come. */
  readonly tls?: Tls | undefined;
  /** How long the event loop has been idle so far. */
  readonly idleMs?: () => DurationMs;
  /** Called for each call and connection for which there is no room. */
  readonly onRefused?: Refused;
};

export interface RpcServer {
  /** Resolves to the port; give port 0 to have one chosen. */
  listen(address: string): Promise<number>;
  /**
   * Once it listens: listens on loopback besides, in plain text, for the calls of this process to itself. Resolves to the port. Any process of this
   * machine can connect to it, so a connection of it is known as one (`Connection.isOwn`).
   */
  listenForItself(): Promise<number>;
  /** Serves a connection that somebody else has accepted, with all bounds, as from its peer. Once it listens. */
  accept(socket: CarriedSocket): void;
  /** What is under way. */
  load(): EdgeLoad;
  /** What `grpc.health.v1` says of a service; without a name, that all of them serve. */
  setServing(serviceName: string, serving: boolean): void;
  /**
   * Of one service: refuses new calls with SHUTTING_DOWN, and ends open streams with it; calls that are still under way after `graceMs` are
   * cut off, with an answer. Resolves when none is under way.
   */
  leave(serviceName: string, graceMs: DurationMs): Promise<void>;
  /**
   * Ends all services in this way, closes each connection once it has no call under way, and all of them when those that were cut off have
   * had a moment to be answered. Health and reflection are services too.
   */
  shutdown(graceMs: DurationMs): Promise<void>;
}

/** A peer has this long to read its last answers and to hang up. Who speaks no HTTP/2, or does not run, would never do it. */
const hangUpMs: DurationMs = 500;

// biome-ignore lint/suspicious/noExplicitAny: as nice-grpc and ts-proto type their generic definitions
type AnyMessage = any;

/** What ts-proto generates for a service (outputServices=generic-definitions). */
type ServiceDefinition = {
  readonly fullName: string;
  readonly methods: Readonly<
    Record<
      string,
      {
        readonly name: string;
        readonly requestType: { decode(bytes: AnyMessage): AnyMessage; $type?: string };
        readonly responseType: { encode(message: AnyMessage): AnyMessage; fromPartial?(message: AnyMessage): AnyMessage };
      }
    >
  >;
};

/** A generated service definition with request decoders that enforce the rules of the contract, for handlers that may answer in bytes. */
export function withValidation<Definition extends ServiceDefinition>(
  definition: Definition,
  loop: LoopWatch = unwatched,
): Definition {
  const methods = Object.fromEntries(
    Object.entries(definition.methods).map(([key, method]) => {
      const { requestType, responseType } = method;
      const work = { rpc: `/${definition.fullName}/${method.name}` };
      const decode = loop.timed(work, validatingDecoder(requestTypeOf(definition.fullName, method.name)));
      const one = answerEncoder(responseType);
      // What goes out together; see bursts.ts.
      const several = (messages: readonly AnyMessage[]) =>
        new EncodedAnswer(framed(messages.map((message) => one(message).finish())));
      const watchedEncode = loop.timed(work, (message: AnyMessage) => (Array.isArray(message) ? several : one)(message));
      return [
        key,
        {
          ...method,
          requestType: { ...requestType, decode },
          responseType: { ...responseType, fromPartial: undefined, encode: watchedEncode },
        },
      ];
    }),
  );
  return { ...definition, methods };
}

function requestTypeOf(serviceFullName: string, methodName: string): DescMessage {
  const method = registry.getService(serviceFullName)?.methods.find(({ name }) => name === methodName);
  if (method === undefined) throw new Error(`no descriptor of ${serviceFullName}/${methodName}; run "make generate"`);
  return method.input;
}

export function createRpcServer(options: ServerOptions): RpcServer {
  const bounds = { ...edgeBounds, ...options.bounds };
  const times = { ...edgeTimes, ...options.times };
  const pace = createPace();
  const server = createServer({
    interceptors: [
      transportRefusals(options.logger, bounds.requestBytesMax),
      callMemory(),
      bursts,
      deadlineInterceptor,
      pace.interceptor,
    ],
    // Bookkeeping for a debugging service that is not served.
    "grpc.enable_channelz": 0,
    "grpc.max_receive_message_length": bounds.requestBytesMax,
    "grpc.max_send_message_length": messageBytesDefault,
    "grpc.keepalive_time_ms": times.keepaliveMs,
    "grpc.keepalive_timeout_ms": times.keepaliveTimeoutMs,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.max_connection_idle_ms": times.connectionIdleMs,
  }).use(errorDetailsServerMiddleware);
  const entrants = createEntrants();
  const gate = options.gate ?? openGate;
  const withContext = createContextMiddleware(options.logger, pace, entrants, gate, options);
  const log = logRefusals(options.logger);
  const refused: Refused = (bound) => {
    log(bound);
    options.onRefused?.(bound);
  };
  const admission = createAdmission(bounds, refused);
  const connections = createConnections({ ...bounds, ...times }, refused);
  const starting = createStarting(systemClock, options.idleMs ?? (() => performance.nodeTiming.idleTime));
  const receiving = createReceiving(bounds.receivingBytesMax, refused);
  const stopLooking = endOverdue(admission.open, { ...bounds, ...times }, refused);
  const services = new Map<string, Calls>();
  function add(name: string, addTo: RpcService["addTo"], otherKind?: CallKind): void {
    admission.serve(name, otherKind);
    const calls = createCalls(bounds);
    services.set(name, calls);
    addTo(server.with(withContext(calls)));
  }

  const { setServing, service: health } = createHealth();
  for (const { name, addTo } of options.services) {
    add(name, addTo);
    setServing(name, true);
  }
  add(healthDefinition.fullName, (builder) => builder.add(withValidation(healthDefinition, options.loop), health));
  const names = [...services.keys()];
  let accept: Accept | undefined;
  let ownListener: OwnListener | undefined;
  const reflection = createReflection(names);
  for (const name of reflectionNames) add(name, (builder) => builder.add(reflectionDefinition(name), reflection), "session");

  return {
    async listen(address) {
      const { tls, logger } = options;
      const tlsDoor = tls && takesTls(address) ? { tls, handshakeMs: times.handshakeMs, logger } : undefined;
      const front = { connections, gate, entrants, admission, receiving, starting, tlsDoor };
      const listening = await listenBehind(front, () => server.listen(address, ServerCredentials.createInsecure()));
      accept = listening.accept;
      return listening.port;
    },
    async listenForItself() {
      assert(accept !== undefined && ownListener === undefined, "the server listens, and not yet for itself");
      ownListener = await openOwnListener(accept);
      return ownListener.port;
    },
    accept(socket) {
      assert(accept !== undefined, "the server listens");
      accept(socket);
    },
    load: () => ({ connections: connections.count(), receivingBytes: receiving.bytes(), calls: admission.load() }),
    setServing,
    leave: async (name, graceMs) => services.get(name)?.leave(graceMs),
    async shutdown(graceMs) {
      for (const { name } of options.services) setServing(name, false);
      const closed = server.shutdown();
      ownListener?.close();
      await Promise.all([...services.values()].map((calls) => calls.leave(graceMs)));
      await within(hangUpMs, closed);
      stopLooking();
      connections.destroy();
      await within(hangUpMs, closed);
    },
  };
}
