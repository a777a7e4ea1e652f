import { randomUUID } from "node:crypto";
import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { type CallContext, type ServerError, type ServerMiddleware, Status } from "nice-grpc-common";
import type { RichServerError } from "nice-grpc-error-details";
import { nothing, type Permission } from "../access/core/policy.ts";
import { assert } from "../kernel/assert.ts";
import { type Origin, originFields, usableCallId, usableTraceparent, usableTracestate } from "../kernel/origin.ts";
import type { Principal } from "../kernel/principal.ts";
import type { Span, Spans } from "../kernel/spans.ts";
import type { TimeMs } from "../kernel/time.ts";
import { StorageUnavailableError } from "../kernel/write.ts";
import type { Logger } from "../runtime/logger.ts";
import { type LoopWatch, unwatched } from "../runtime/loop-watch.ts";
import { callAttributes, endAttributes, failureOfServer } from "../runtime/telemetry/conventions.ts";
import type { CallEnded } from "../runtime/telemetry/telemetry.ts";
import type { Guard } from "../workflow/ports.ts";
import { peerText } from "./address.ts";
import { methodDenied, permissionEndOf } from "./authority.ts";
import type { TellAudit } from "./call-audit.ts";
import type { Calls } from "./calls.ts";
import type { Entrants } from "./entrants.ts";
import { overloaded, toServerError } from "./errors.ts";
import { type Gate, unauthenticated } from "./gate.ts";
import { isLongPoll } from "./long-polls.ts";
import { requestIdKey, traceparentKey, tracestateKey } from "./origin-headers.ts";
import type { Pace } from "./pace.ts";
import { guardOf } from "./permission.ts";
import { proofEndOf } from "./proof-ends.ts";
import { InvalidMessage } from "./validation.ts";

/** What a handler knows of its call, besides nice-grpc's own context. */
export type RpcContext = {
  /** When the caller stops waiting; unknown if it set no deadline. The call's `signal` aborts then too. */
  readonly deadlineMs: TimeMs | undefined;
  readonly principal: Principal;
  /** What that one may do by this method. */
  readonly permission: Permission;
  /** Of a call that lasts: it goes on as long as this is granted, which is less than `permission`. */
  readonly needs: (permission: Permission) => void;
  /** The same, for whoever acts upon workflows. Undefined: it may act upon all. */
  readonly guard: Guard | undefined;
  /** Set by a handler that answers for many workflows one by one: those that its caller may see and not have. They are in the audit log. */
  deniedIds?: readonly string[];
  readonly log: CallLog;
  /**
   * Of a stream whose messages are calls in all but name: begins one, unless there is no more for this principal, and returns how to tell that it was
   * answered. `callId`: whose it is, if not the stream's.
   */
  readonly ask: (callId?: string) => () => void;
  /** To be handed on to whatever the call causes. */
  readonly origin: Origin;
};

/** Who is told of unary calls. Not of what waits on purpose: that lasts as long as its caller wants. */
export type Told = {
  readonly onCall?: CallEnded | undefined;
  readonly spans?: Spans | undefined;
  /** Told of each call, however it has ended. */
  readonly audit?: TellAudit | undefined;
};

type Level = "debug" | "info" | "warn" | "error";

/**
 * Puts the call's id and its peer on each line. A child logger would be made for every call; most calls log one line or none. It is the origin
 * of what the call causes, too: headers are looked at when somebody asks for them.
 */
export class CallLog implements Origin {
  readonly #logger: Logger;
  readonly #context: CallContext;
  readonly #principal: string | undefined;
  #id: string | undefined;
  /** Where the call is in a trace that is written down here. */
  place: Origin | undefined;

  constructor(logger: Logger, context: CallContext, { name }: Principal) {
    this.#logger = logger;
    this.#context = context;
    this.#principal = name === "" ? undefined : name;
  }

  /** From the `x-request-id` header, else made here. On each log line of the call, and in the trailer of a failed one. */
  get requestId(): string {
    this.#id ??= usableCallId(this.#context.metadata.get(requestIdKey)) ?? randomUUID();
    return this.#id;
  }

  get traceparent(): string | undefined {
    return usableTraceparent(this.#context.metadata.get(traceparentKey));
  }

  get tracestate(): string | undefined {
    return this.traceparent === undefined ? undefined : usableTracestate(this.#context.metadata.get(tracestateKey));
  }

  debug(fields: object, message: string): void {
    this.#write("debug", fields, message);
  }

  info(fields: object, message: string): void {
    this.#write("info", fields, message);
  }

  warn(fields: object, message: string): void {
    this.#write("warn", fields, message);
  }

  error(fields: object, message: string): void {
    this.#write("error", fields, message);
  }

  #write(level: Level, fields: object, message: string): void {
    if (this.#logger.isLevelEnabled(level)) {
      const principal = this.#principal === undefined ? {} : { principal: this.#principal };
      this.#logger[level]({ ...originFields(this.place ?? this), peer: this.#context.peer, ...principal, ...fields }, message);
    }
  }
}

const deadlineKey = "concord-deadline-ms";

/** nice-grpc hides the deadline; this hands it on as a header, over whatever the caller may have sent under that name. */
export const deadlineInterceptor: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, proceed) => {
          const deadlineMs = Number(call.getDeadline());
          if (Number.isFinite(deadlineMs)) metadata.set(deadlineKey, String(deadlineMs));
          else metadata.remove(deadlineKey);
          proceed(metadata);
        },
      }),
  });

/**
 * Outermost around every handler of a service: request id, log, bounds, and the one place where errors become statuses. The `signal`
 * aborts also when the service leaves: of a stream, or a long poll, at once; of another unary call when the grace is over.
 */
export function createContextMiddleware(
  logger: Logger,
  pace: Pace,
  entrants: Entrants,
  { authority, ask }: Pick<Gate, "authority" | "ask">,
  { loop = unwatched, onCall, spans, audit }: Told & { readonly loop?: LoopWatch } = {},
): (calls: Calls) => ServerMiddleware<RpcContext> {
  return ({ leaving, enter, excess }) =>
    async function* withContext(call, context) {
      const startedMs = performance.now();
      Object.assign(context, { peer: peerText(context.peer) });
      const proof = entrants.proofOf(context.metadata);
      const { principal } = proof;
      const log = new CallLog(logger, context, principal);
      const deadlineMs = numberOrNothing(context.metadata.get(deadlineKey));
      const callerSignal = context.signal;
      const lasts = call.requestStream || call.responseStream || isLongPoll(call.method.path);
      const unary = lasts ? undefined : cutOffFor(callerSignal);
      const decision = authority.decide(principal, call.method.path);
      // What is open to those who prove nothing, the gate has let in.
      const permission = decision.allowed ? decision.permission : nothing;
      const granted = lasts ? permissionEndOf(authority, principal, call.method.path, permission) : undefined;
      const ends = granted ? [proofEndOf(proof), granted] : [];
      const signal = unary?.signal ?? AbortSignal.any([callerSignal, leaving, ...ends.map((end) => end.signal)]);
      const span = unary && spans && startSpan(spans, call.method.path, log);
      if (span) log.place = span.origin;
      const origin = span?.origin ?? log;
      const extended: CallContext & RpcContext = Object.assign(context, {
        deadlineMs,
        principal,
        permission,
        needs: granted?.needs ?? unneeded,
        guard: guardOf(permission),
        log,
        ask: (callId?: string) => {
          const { path } = call.method;
          const refusal = ask({ path, principal });
          if (refusal !== undefined) throw refusal;
          const sinceMs = performance.now();
          return () => {
            onCall?.(path.slice(1), Status[Status.OK], performance.now() - sinceMs);
            log.debug({ request: usableCallId(callId) ?? log.requestId, rpc: path, ms: elapsed(sinceMs) }, "call");
          };
        },
        origin,
        signal,
      });
      const leave = enter(unary);
      const work = loop.enter({ rpc: call.method.path, peer: context.peer });
      let code: Status = Status.OK;
      let failure: ServerError | undefined;
      try {
        leaving.throwIfAborted();
        const limit = excess(unary);
        if (limit !== undefined) throw overloaded(limit, "calls at once, those among them whose caller has left");
        if (!call.requestStream && call.request instanceof InvalidMessage) throw call.request.failure;
        context.signal.throwIfAborted();
        for (const end of ends) end.signal.throwIfAborted();
        if (proof.revoked.aborted) throw unauthenticated("REVOKED");
        if (!decision.allowed && principal.by !== "nothing") throw methodDenied(call.method.path);
        const answer =
          unary && !call.responseStream
            ? await unary.orRefused(work.drive(call.next(call.request, extended)))
            : call.responseStream && !call.requestStream
              ? yield* pace.follow(work.drive(call.next(call.request, extended)), extended)
              : yield* work.drive(call.next(call.request, extended));
        // A handler that has been told to leave may have done so without a word.
        for (const end of ends) end.signal.throwIfAborted();
        log.debug({ rpc: call.method.path, ms: elapsed(startedMs) }, "call");
        return answer;
      } catch (error) {
        if (callerSignal.aborted) {
          // There is nobody to tell, and nothing failed.
          const why = deadlineMs !== undefined && Date.now() >= deadlineMs ? late : "the caller has left";
          log.debug({ rpc: call.method.path, ms: elapsed(startedMs), why }, "call ended without an answer");
          code = why === late ? Status.DEADLINE_EXCEEDED : Status.CANCELLED;
          throw error;
        }
        const status = toServerError(isAbortError(error) ? endOf([leaving, ...ends.map((end) => end.signal)], error) : error);
        code = status.code;
        failure = status;
        context.trailer.set(requestIdKey, log.requestId);
        const fields = { rpc: call.method.path, code: Status[status.code], ms: elapsed(startedMs) };
        if (status.code === Status.INTERNAL) log.error({ ...fields, err: error }, "call failed: a defect");
        else if (error instanceof StorageUnavailableError)
          log.warn({ ...fields, cause: error.message }, "call failed: the store");
        else log.debug({ ...fields, message: status.details }, "call refused");
        throw status;
      } finally {
        audit?.({ path: call.method.path, request: call.request, context: extended, code, failure });
        if (unary) onCall?.(call.method.path.slice(1), Status[code], performance.now() - startedMs);
        span?.end({ error: failureOfServer(Status[code]), attributes: endAttributes(Status[code]) });
        unary?.forget();
        for (const end of ends) end.forget();
        work.leave();
        leave();
      }
    };
}

function startSpan(spans: Spans, path: string, parent: Origin): Span {
  const method = path.slice(1);
  return spans.start(method, { kind: "server", parent, attributes: callAttributes(method) });
}

const unneeded = (): void => undefined;

const late = "the deadline has passed";

/** How a unary call ends before its handler has an answer: its caller leaves, or the server does. */
function cutOffFor(callerSignal: AbortSignal) {
  const ending = new AbortController();
  const refused = Promise.withResolvers<never>();
  const leave = (): void => ending.abort(callerSignal.reason);
  callerSignal.addEventListener("abort", leave);
  if (callerSignal.aborted) leave();
  return {
    signal: ending.signal,
    abort: (reason: RichServerError): void => ending.abort(reason),
    refuse: (reason: RichServerError): void => refused.reject(reason),
    orRefused: async <Answer>(handler: AsyncGenerator<unknown, Answer>): Promise<Answer> => {
      const next = await Promise.race([handler.next(), refused.promise]);
      assert(next.done === true, "a unary call has one answer");
      return next.value;
    },
    forget: (): void => callerSignal.removeEventListener("abort", leave),
  };
}

/** What the server has said, if it is the server that has ended the call. */
const endOf = (signals: readonly AbortSignal[], error: unknown): unknown =>
  signals.find(({ aborted }) => aborted)?.reason ?? error;

/** What has been waiting on a signal throws this, whoever wrote it. */
function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function numberOrNothing(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function elapsed(startedMs: number): number {
  return Math.round((performance.now() - startedMs) * 1000) / 1000;
}
