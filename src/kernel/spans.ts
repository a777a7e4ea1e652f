import type { Origin } from "./origin.ts";

/**
 * Writes down what is done, and for how long, as spans of a trace. Whoever is given none does nothing for it. Nothing waits for it, and nothing
 * fails with it.
 */
export interface Spans {
  /** Begins one below the place that `parent` names; a new trace, if it names none. */
  start(name: string, about: SpanStart): Span;
}

export type SpanStart = {
  /** `server`: somebody in another process waits for it. `client`: another process is waited for. */
  readonly kind: "server" | "client" | "internal";
  readonly parent: Origin;
  readonly attributes: SpanAttributes;
  /** Others for whom it is done, besides the parent. */
  readonly links?: readonly Origin[] | undefined;
};

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  /** The origin of what it leads to: the same call, at this place of the trace. */
  readonly origin: Origin;
  /** Runs what is to find it as the active span of OpenTelemetry. */
  run<T>(work: () => T): T;
  /** `error`: a short name of what has failed, one of few. */
  end(how?: { readonly error?: string | undefined; readonly attributes?: SpanAttributes }): void;
}
