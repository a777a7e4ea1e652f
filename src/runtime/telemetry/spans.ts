import {
  type Attributes,
  context,
  createTraceState,
  type Link,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { type Origin, traceIdOf } from "../../kernel/origin.ts";
import type { Span, Spans } from "../../kernel/spans.ts";

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;

/** Spans by a tracer of OpenTelemetry. */
export function spansOf(tracer: Tracer): Spans {
  return {
    start(name, { kind, parent, attributes, links = [] }): Span {
      const place = placeOf(parent);
      const below = place === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, place);
      const linked = links.flatMap(linkTo);
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes: { ...attributes }, links: linked }, below);
      return {
        origin: originAt(span.spanContext(), parent),
        run: (work) => context.with(trace.setSpan(context.active(), span), work),
        end({ error, attributes: last } = {}) {
          if (last !== undefined) span.setAttributes(last as Attributes);
          if (error !== undefined) span.setAttribute("error.type", error).setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
  };
}

function linkTo(origin: Origin): readonly Link[] {
  const place = placeOf(origin);
  return place === undefined ? [] : [{ context: place }];
}

/** A `traceparent` that was checked: version, trace, span, flags. */
function placeOf({ traceparent, tracestate }: Origin): SpanContext | undefined {
  if (traceparent === undefined) return undefined;
  return {
    traceId: traceIdOf(traceparent),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53), 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  };
}

function originAt({ traceId, spanId, traceFlags, traceState }: SpanContext, { requestId }: Origin): Origin {
  const traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
  const tracestate = traceState?.serialize();
  return { requestId, traceparent, tracestate: tracestate === "" ? undefined : tracestate };
}
