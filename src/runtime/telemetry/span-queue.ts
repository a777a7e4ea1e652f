import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, type SpanProcessor } from "@opentelemetry/sdk-trace";
import type { DurationMs } from "../../kernel/time.ts";

export type SpanQueue = {
  readonly processor: SpanProcessor;
  /** How many had no room, or did not come through. */
  readonly lost: () => number;
};

/**
 * The spans that wait to be exported, in batches. A collector that is away or slow costs no more than these: what has no room is dropped, and
 * counted, which the library's own queue does only for itself.
 */
export function createSpanQueue(options: {
  readonly exporter: SpanExporter;
  readonly waitingMax: number;
  readonly batchMax: number;
  readonly delayMs: DurationMs;
  readonly timeoutMs: DurationMs;
  readonly onFailed: (cause: string) => void;
}): SpanQueue {
  const { exporter, waitingMax, onFailed } = options;
  let waiting = 0;
  let lost = 0;
  const batches = new BatchSpanProcessor({
    exporter: {
      export(spans, done) {
        waiting -= spans.length;
        exporter.export(spans, (result) => {
          if (Number(result.code) !== 0) {
            lost += spans.length;
            onFailed(result.error?.message ?? "the collector has refused it");
          }
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
    },
    maxQueueSize: waitingMax,
    maxExportBatchSize: Math.min(waitingMax, options.batchMax),
    scheduledDelayMillis: options.delayMs,
    exportTimeoutMillis: options.timeoutMs,
  });
  return {
    processor: {
      onStart: (span, parent) => batches.onStart(span, parent),
      onEnd(span: ReadableSpan) {
        if (waiting < waitingMax) {
          waiting += 1;
          batches.onEnd(span);
        } else {
          if (lost === 0) onFailed(`more than ${waitingMax} spans wait`);
          lost += 1;
        }
      },
      forceFlush: () => batches.forceFlush(),
      shutdown: () => batches.shutdown(),
    },
    lost: () => lost,
  };
}
