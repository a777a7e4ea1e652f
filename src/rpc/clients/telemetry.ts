import { ClientError, type ClientMiddleware, Status } from "nice-grpc";
import type { DeadlineOptions } from "nice-grpc-client-middleware-deadline";
import type { Origin } from "../../kernel/origin.ts";
import type { Spans } from "../../kernel/spans.ts";
import { callAttributes, endAttributes, failureForCaller, serverAttributes } from "../../runtime/telemetry/conventions.ts";
import type { Telemetry } from "../../runtime/telemetry/telemetry.ts";
import type { OriginOptions } from "./call-headers.ts";
import { clientFactory } from "./channel.ts";

export type ToldOptions = OriginOptions & {
  /** Others on whose behalf it is made, besides the origin. */
  readonly links?: readonly Origin[] | undefined;
};

/** What tells of calls. */
export type ToldCalls = ClientMiddleware<ToldOptions, DeadlineOptions & OriginOptions>;

/** Makes clients as all are here, which tell of their calls if somebody wants to know. */
export const factoryTelling = (told: ToldCalls | undefined) =>
  told === undefined ? clientFactory : clientFactory.use<ToldOptions>(told);

/** Tells of each unary call to the server at this address: a span, below that on whose behalf it is made; and how long it took. */
export function toldCalls(address: string, { spans, clientCall }: Pick<Telemetry, "spans" | "clientCall">): ToldCalls {
  const ended = clientCall?.(address);
  const server = serverAttributes(address);
  return async function* told(call, { links, ...options }) {
    const startedMs = performance.now();
    const method = call.method.path.slice(1);
    const span = startSpan(spans, method, server, options.origin, links);
    let code: Status = Status.OK;
    try {
      return yield* call.next(call.request, span === undefined ? options : { ...options, origin: span.origin });
    } catch (error) {
      // Whoever leaves has no status.
      code = error instanceof ClientError ? error.code : Status.CANCELLED;
      throw error;
    } finally {
      const name = Status[code];
      ended?.(method, name, performance.now() - startedMs);
      span?.end({ error: failureForCaller(name), attributes: endAttributes(name) });
    }
  };
}

/** None of what nobody has asked for: its server begins a trace of its own. */
function startSpan(
  spans: Spans | undefined,
  method: string,
  server: ReturnType<typeof serverAttributes>,
  parent: Origin | undefined,
  links: readonly Origin[] | undefined,
) {
  if (spans === undefined || parent === undefined) return undefined;
  return spans.start(method, { kind: "client", parent, attributes: { ...callAttributes(method), ...server }, links });
}
