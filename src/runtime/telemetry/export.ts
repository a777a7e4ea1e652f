import { randomUUID } from "node:crypto";
import { type Attributes, DiagLogLevel, diag, type Histogram, type Meter } from "@opentelemetry/api";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { detectResources, envDetector, type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { createSeldomLog } from "../../kernel/seldom.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { systemClock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import { within } from "../within.ts";
import {
  callAttributes,
  callSecondsBuckets,
  endAttributes,
  failureForCaller,
  failureOfServer,
  serverAttributes,
} from "./conventions.ts";
import { countOf, type Environment, type Signal } from "./environment.ts";
import { samplerOf } from "./sampler.ts";
import { createSpanQueue } from "./span-queue.ts";
import { spansOf } from "./spans.ts";
import type { CallEnded, Telemetry, Teller } from "./telemetry.ts";

// The one file, with those beside it, that knows OpenTelemetry's SDK. It is imported when something is to be exported, and not before.

/** A stop waits no longer for a collector. */
const closeMs: DurationMs = 1_000;

export function exportTo(environment: Environment, signals: readonly Signal[], teller: Teller, logger: Logger): Telemetry {
  const seldom = createSeldomLog(logger, systemClock.monotonicMs);
  const complain = (signal: Signal, cause: string): void =>
    seldom.warn(
      signal,
      { signal, cause },
      "telemetry could not be exported; what waits is bounded, and the rest is lost and counted",
    );
  // What the libraries say of their own: of a bad variable, for example.
  const tell = (message: string): void => seldom.warn("library", { message }, "OpenTelemetry complains");
  diag.setLogger({ error: () => {}, warn: tell, info: () => {}, debug: () => {}, verbose: () => {} }, DiagLogLevel.WARN);
  const resource = resourceOf(teller);
  const traces = signals.includes("traces") ? openTraces(environment, resource, teller, complain) : undefined;
  const metrics = signals.includes("metrics") ? openMetrics(environment, resource, teller, complain) : undefined;
  return {
    spans: traces?.spans,
    serverCall: metrics?.serverCall,
    clientCall: metrics?.clientCall,
    lostSpans: () => traces?.lost() ?? 0,
    lostExports: () => metrics?.lost() ?? 0,
    close: async () => {
      await within(closeMs, Promise.allSettled([traces?.close(), metrics?.close()]));
    },
  };
}

function resourceOf({ serviceName, version }: Teller): Resource {
  const own = resourceFromAttributes({
    "service.name": serviceName,
    "service.version": version,
    "service.instance.id": randomUUID(),
  });
  // What the environment says wins.
  return own.merge(detectResources({ detectors: [envDetector] }));
}

type Complain = (signal: Signal, cause: string) => void;

function openTraces(environment: Environment, resource: Resource, { version }: Teller, complain: Complain) {
  const queue = createSpanQueue({
    exporter: new OTLPTraceExporter(),
    waitingMax: countOf(environment, "OTEL_BSP_MAX_QUEUE_SIZE", 2_048),
    batchMax: countOf(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
    delayMs: countOf(environment, "OTEL_BSP_SCHEDULE_DELAY", 5_000),
    timeoutMs: countOf(environment, "OTEL_BSP_EXPORT_TIMEOUT", 30_000),
    onFailed: (cause) => complain("traces", cause),
  });
  const provider = new TracerProvider({ resource, sampler: samplerOf(environment), spanProcessors: [queue.processor] });
  return {
    spans: spansOf(provider.getTracer("@concord-workflows/concord", version)),
    lost: queue.lost,
    close: () => provider.shutdown(),
  };
}

function openMetrics(environment: Environment, resource: Resource, { version }: Teller, complain: Complain) {
  let lost = 0;
  const exporter = new OTLPMetricExporter();
  const told = exporter.export.bind(exporter);
  exporter.export = (metrics, done) =>
    told(metrics, (result) => {
      if (Number(result.code) !== 0) {
        lost += 1;
        complain("metrics", result.error?.message ?? "the collector has refused it");
      }
      done(result);
    });
  const intervalMs = countOf(environment, "OTEL_METRIC_EXPORT_INTERVAL", 60_000);
  const timeoutMs = Math.min(intervalMs, countOf(environment, "OTEL_METRIC_EXPORT_TIMEOUT", 30_000));
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: timeoutMs,
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter("@concord-workflows/concord", version);
  const server = durations(meter, "rpc.server.call.duration", "How long incoming calls take");
  const client = durations(meter, "rpc.client.call.duration", "How long outgoing calls take");
  return {
    serverCall: recordTo(server, {}, failureOfServer),
    clientCall: (address: string) => recordTo(client, serverAttributes(address), failureForCaller),
    lost: () => lost,
    close: () => provider.shutdown(),
  };
}

const durations = (meter: Meter, name: string, description: string): Histogram =>
  meter.createHistogram(name, { description, unit: "s", advice: { explicitBucketBoundaries: [...callSecondsBuckets] } });

/** Attributes are made once for each method and end: there are few. */
function recordTo(histogram: Histogram, more: Attributes, failureOf: (code: string) => string | undefined): CallEnded {
  const known = new Map<string, Attributes>();
  return (method, code, tookMs) => {
    const key = `${method} ${code}`;
    const error = failureOf(code);
    const attributes = known.get(key) ?? {
      ...callAttributes(method),
      ...more,
      ...endAttributes(code),
      ...(error !== undefined && { "error.type": error }),
    };
    known.set(key, attributes);
    histogram.record(tookMs / 1000, attributes);
  };
}
