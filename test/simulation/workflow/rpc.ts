import { type CallContext, ClientError, Metadata, Status } from "nice-grpc-common";
import { RichClientError, RichServerError } from "nice-grpc-error-details";
import { everything } from "../../../src/access/core/policy.ts";
import { nobody } from "../../../src/kernel/principal.ts";
import type { DurationMs } from "../../../src/kernel/time.ts";
import type { RpcContext } from "../../../src/rpc/context.ts";
import { orEncoded } from "../../../src/rpc/encoded-answer.ts";
import { toServerError } from "../../../src/rpc/errors.ts";
import { withValidation } from "../../../src/rpc/server.ts";
import { InvalidMessage } from "../../../src/rpc/validation.ts";
import type { Cable } from "../network.ts";
import type { Process } from "../schedule.ts";
import type { Stage } from "../stage.ts";
import { type Heard, readStream } from "./rpc-stream.ts";

// gRPC as far as those at its ends can tell: requests and answers as bytes, which take time, or are lost with their connection; deadlines;
// that a caller has left; an end that dies, and one that is silent. The decoders and handlers of a server, and what it makes of errors, are
// the production ones.

// biome-ignore lint/suspicious/noExplicitAny: the messages of all methods
type Message = any;

type MessageType = {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
  fromPartial(partial: Message): Message;
};

type Method = {
  readonly name: string;
  readonly requestType: MessageType;
  readonly responseType: MessageType;
  readonly responseStream: boolean;
};

type Definition = { readonly fullName: string; readonly methods: Readonly<Record<string, Method>> };

type Handler = (request: Message, context: CallContext & RpcContext) => Message;

/** A service of a process, behind the decoders that a server has. */
export type Served = {
  readonly process: Process;
  readonly methods: Readonly<Record<string, Method & { readonly handle: Handler }>>;
};

type CallOptions = {
  readonly signal?: AbortSignal;
  readonly deadline?: DurationMs;
  readonly metadata?: Metadata;
  readonly onHeader?: (header: Metadata) => void;
};

type ClientOptions = {
  readonly from: Process;
  readonly cable: Cable;
  readonly definition: object;
  /** Who serves the address at that moment. */
  readonly server: () => Served | undefined;
  /** True: what has a request id may reach the server twice, as it does if somebody between repeats it. */
  readonly mayRepeat?: boolean;
};

export type Rpc = {
  serve(process: Process, definition: object, handlers: object): Served;
  /** As nice-grpc makes it, with this type. */
  client<Client>(options: ClientOptions): Client;
  /** Every connection of this process breaks. Those of one that dies break by themselves. */
  reset(process: Process): void;
};

/** A connection that nobody closes is found dead by this. */
const keepaliveMs = 30_000;

/** Made once for all worlds: they keep nothing, and take long to make. */
const validated = new Map<object, Definition>();

function withDecoders(definition: object): Definition {
  const known = validated.get(definition) ?? (withValidation(definition as never) as Definition);
  validated.set(definition, known);
  return known;
}

type Connection = { readonly ends: readonly Process[]; readonly break: () => void };

type Request = {
  readonly path: string;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly method: Method;
  readonly isRepeatable: boolean;
};

const left = (): DOMException => new DOMException("the caller has left", "AbortError");

export function createRpc(stage: Stage): Rpc {
  const { dice, tally, onFailure } = stage;
  const connections = new Set<Connection>();
  const known = new Set<Process>();

  function reset(process: Process): void {
    for (const each of [...connections]) if (each.ends.includes(process)) each.break();
  }

  function watch(process: Process): void {
    if (known.has(process)) return;
    known.add(process);
    process.onKill(() => reset(process));
  }

  /** To the other end: late, when the cable is whole again, or never. */
  function carry(to: Process, cable: Cable, way: "up" | "down", run: () => void): void {
    to.after(dice.between(0, stage.swarm.network.delayMs), () => {
      if (cable[way]) return run();
      const resume = (): void => {
        cable.onRestored.delete(resume);
        to.enter(run);
      };
      cable.onRestored.add(resume);
    });
  }

  /** What the caller is told of what a handler threw. A defect ends the world. */
  function toClientError(path: string, error: unknown): ClientError {
    const status = toServerError(error);
    if (status.code === Status.INTERNAL) onFailure(error);
    return status instanceof RichServerError
      ? new RichClientError(path, status.code, status.details, status.extra)
      : new ClientError(path, status.code, status.details);
  }

  function call(options: ClientOptions, request: Request, callOptions: CallOptions, heard: Heard<Message>): void {
    const { from, cable, mayRepeat } = options;
    const { path } = request;
    const { signal, deadline } = callOptions;
    const target = options.server();
    const serverLeft = new AbortController();
    const undo: (() => void)[] = [];
    let over = false;
    const connection: Connection = {
      ends: target ? [from, target.process] : [from],
      break() {
        connections.delete(connection);
        breakDown(dice.chance(0.3));
      },
    };

    function end(error?: unknown): void {
      if (over) return;
      over = true;
      for (const each of undo) each();
      connections.delete(connection);
      heard.end(error);
    }

    /** Both ends hear of it at once, or when nobody answers their pings. */
    function breakDown(silent: boolean): void {
      tally.count(silent ? "calls broken in silence" : "calls broken");
      const heardAfterMs = (): DurationMs => (silent ? dice.between(1_000, keepaliveMs) : dice.between(0, 50));
      undo.push(from.after(heardAfterMs(), () => end(new ClientError(path, Status.UNAVAILABLE, "connection lost"))));
      target?.process.after(heardAfterMs(), () => serverLeft.abort(left()));
    }

    function leave(): void {
      if (over) return;
      if (target) carry(target.process, cable, "up", () => serverLeft.abort(left()));
      end(left());
    }

    if (signal?.aborted) {
      end(left());
      return;
    }
    signal?.addEventListener("abort", leave);
    undo.push(() => signal?.removeEventListener("abort", leave));
    connections.add(connection);
    for (const each of connection.ends) watch(each);
    if (deadline !== undefined) {
      const late = (): void => end(new ClientError(path, Status.DEADLINE_EXCEEDED, "the deadline has passed"));
      undo.push(from.after(deadline, late));
    }
    if (!target?.process.alive) {
      const refused = (): void => end(new ClientError(path, Status.UNAVAILABLE, "connection refused"));
      undo.push(from.after(dice.between(0, stage.swarm.network.delayMs), refused));
      return;
    }
    if (dice.chance(stage.swarm.network.loss)) {
      breakDown(dice.chance(0.5));
      return;
    }
    const ends = { target, cable, from, request, callOptions, serverLeft: serverLeft.signal, breakDown };
    const told: Heard<Message> = {
      message(message, proceed) {
        if (over) return;
        heard.message(message, proceed);
        if (!request.method.responseStream) end();
      },
      end,
    };
    carry(target.process, cable, "up", () => void serve(ends, told).catch(onFailure));
    if (mayRepeat && request.isRepeatable && dice.chance(stage.swarm.network.duplication)) {
      tally.count("requests repeated on the way");
      const nobody: Heard<Message> = { message() {}, end() {} };
      target.process.after(dice.between(0, 5_000), () => void serve(ends, nobody).catch(onFailure));
    }
  }

  type Ends = {
    readonly target: Served;
    readonly cable: Cable;
    readonly from: Process;
    readonly request: Request;
    readonly callOptions: CallOptions;
    readonly serverLeft: AbortSignal;
    readonly breakDown: (silent: boolean) => void;
  };

  /** The server's end of a call. */
  async function serve(ends: Ends, heard: Heard<Message>): Promise<void> {
    const { target, cable, from, request, callOptions, serverLeft, breakDown } = ends;
    const { path, key, bytes, method } = request;
    const { process } = target;
    const served = target.methods[key];
    if (served === undefined) throw new Error(`${path} is not served`);
    const back = (run: () => void): void => {
      if (process.alive) carry(from, cable, "down", run);
    };
    const header = Metadata();
    const context = {
      metadata: Metadata(callOptions.metadata),
      peer: `${from.name}:1`,
      header,
      sendHeader: () => back(() => callOptions.onHeader?.(header)),
      trailer: Metadata(),
      signal: serverLeft,
      deadlineMs: callOptions.deadline === undefined ? undefined : process.clock.nowMs() + callOptions.deadline,
      principal: nobody,
      permission: everything,
      needs: () => undefined,
      ask: () => () => undefined,
      guard: undefined,
      log: quiet,
      origin: quiet,
    };
    /** Resolves when the client has taken it. */
    const tell = (answer: Message): Promise<void> =>
      new Promise((proceed) => {
        if (!process.alive) return;
        const encoded = served.responseType.encode(answer).finish();
        if (dice.chance(stage.swarm.network.loss)) return breakDown(dice.chance(0.5));
        back(() => heard.message(method.responseType.decode(encoded), () => carry(process, cable, "up", proceed)));
      });
    try {
      const decoded = served.requestType.decode(bytes);
      if (decoded instanceof InvalidMessage) throw decoded.failure;
      serverLeft.throwIfAborted();
      if (!method.responseStream) return void tell(await served.handle(decoded, context));
      for await (const together of served.handle(decoded, context)) {
        for (const answer of [together].flat()) {
          await tell(answer);
          serverLeft.throwIfAborted();
        }
      }
      back(() => heard.end());
    } catch (error) {
      if (!process.alive || serverLeft.aborted) return;
      const failure = toClientError(path, error);
      back(() => heard.end(failure));
    }
  }

  return {
    serve(process, definition, handlers) {
      const methods = Object.entries(withDecoders(definition).methods).map(([key, method]) => [
        key,
        { ...method, handle: (handlers as Readonly<Record<string, Handler>>)[key] },
      ]);
      return { process, methods: Object.fromEntries(methods) };
    },
    client<Client>(options: ClientOptions): Client {
      const { fullName, methods } = options.definition as Definition;
      const calls = Object.entries(methods).map(([key, method]) => {
        const { encode, fromPartial } = orEncoded(method.requestType);
        const requestOf = (partial: Message): Request => ({
          path: `/${fullName}/${method.name}`,
          key,
          method,
          bytes: encode(fromPartial(partial)).finish(),
          isRepeatable: (partial.requestId ?? "") !== "",
        });
        const unary = (partial: Message, callOptions: CallOptions = {}): Promise<Message> =>
          new Promise((message, end) => call(options, requestOf(partial), callOptions, { message, end }));
        const stream = (partial: Message, callOptions: CallOptions = {}): AsyncIterable<Message> => {
          const leaving = new AbortController();
          const { signal } = callOptions;
          signal?.addEventListener("abort", () => leaving.abort(), { once: true });
          return readStream(
            (heard) => call(options, requestOf(partial), { ...callOptions, signal: leaving.signal }, heard),
            () => leaving.abort(),
          );
        };
        return [key, method.responseStream ? stream : unary];
      });
      return Object.fromEntries(calls);
    },
    reset,
  };
}

const quiet = { requestId: "", debug() {}, info() {}, warn() {}, error() {} } as unknown as RpcContext["log"];
