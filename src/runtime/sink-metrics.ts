import { Counter, Gauge, type Registry } from "prom-client";
import type { DurationMs } from "../kernel/time.ts";

type SinkAtWork = {
  readonly name: string;
  readonly state: string;
  readonly cursor: number;
  readonly newest: number;
  readonly lagMs: DurationMs;
  readonly deadLetterCount: number;
};

/** How far events are published. Of sinks there are few, so each has its series. */
export function sinkMetrics(registry: Registry) {
  const registers = [registry];
  const counter = (name: string, help: string) =>
    new Counter({ name: `concord_sink_${name}`, help, labelNames: ["sink"], registers });
  const published = counter("published_total", "Events that a receiver has acknowledged, repeats counted");
  const failed = counter("failures_total", "Times that a sink could not publish, and tries again");
  const deadLettered = counter("dead_lettered_total", "Events that became dead letters");
  const gauge = (
    read: () => Promise<readonly SinkAtWork[]>,
    name: string,
    help: string,
    measure: (sink: SinkAtWork) => number,
    labelsOf: (sink: SinkAtWork) => Record<string, string> = () => ({}),
  ) =>
    new Gauge({
      name: `concord_sink_${name}`,
      help,
      labelNames: ["sink", "state"],
      registers,
      async collect() {
        this.reset();
        for (const sink of await read()) this.set({ sink: sink.name, ...labelsOf(sink) }, measure(sink));
      },
    });
  return {
    published: (sink: string, count: number) => published.inc({ sink }, count),
    failed: (sink: string) => failed.inc({ sink }),
    deadLettered: (sink: string) => deadLettered.inc({ sink }),
    observe: (read: () => Promise<readonly SinkAtWork[]>) => {
      gauge(read, "lag_events", "Events after the last one that is published", ({ newest, cursor }) =>
        Math.max(0, newest - cursor),
      );
      gauge(
        read,
        "lag_seconds",
        "Age of the oldest event that is not published; 0 if there is none",
        ({ lagMs }) => lagMs / 1000,
      );
      gauge(
        read,
        "dead_letters",
        "Events that the receiver has refused, and that are kept",
        ({ deadLetterCount }) => deadLetterCount,
      );
      gauge(
        read,
        "state",
        "1 for the state that a sink is in",
        () => 1,
        ({ state }) => ({ state }),
      );
    },
  };
}
