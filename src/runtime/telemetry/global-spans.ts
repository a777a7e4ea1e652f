import type { Spans } from "../../kernel/spans.ts";

/** Under this name every copy of @opentelemetry/api finds what the program has registered. */
const registered = Symbol.for("opentelemetry.js.api.1");

/** Spans by the tracer that the program has registered, with @opentelemetry/api. Undefined, and nothing is read, if it has not. */
export async function globalSpans(): Promise<Spans | undefined> {
  if (!(registered in globalThis)) return undefined;
  const [{ trace }, { spansOf }] = await Promise.all([import("@opentelemetry/api"), import("./spans.ts")]);
  return spansOf(trace.getTracer("@concord-workflows/concord"));
}
