import type { Connection, Outgoing, Published, SinkStore, Transport } from "../../src/events/ports.ts";
import { createSinks, type SinkDefinition, type Sinks } from "../../src/events/sinks.ts";
import { err, ok } from "../../src/kernel/result.ts";
import { createEventSource } from "../../src/rpc/workflow/event-source.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { createWatch } from "../../src/workflow/watch.ts";
import { pausing } from "./pausing.ts";
import { event, workflow } from "./storage-values.ts";

/** What a receiver does with a batch: it has it and says so, has it and is not heard, or has it not. */
export type Reaction = "takes" | "takes-unheard" | "misses" | Published;

/** A receiver that does as a test says, and remembers what has come, in order. */
export function createReceiver(react: (batch: readonly Outgoing[]) => Reaction, options: Partial<Transport> = {}) {
  const arrived: number[] = [];
  let isUp = true;
  const transport: Transport = {
    kind: "webhook",
    windowMax: 4,
    batchCountMax: 3,
    refusalsMax: 2,
    failuresMax: undefined,
    async open() {
      if (!isUp) return err({ cause: "nobody is there" });
      // As with NATS: when one is missed, so is what follows on the same connection.
      let isBroken = false;
      const connection: Connection = {
        async publish(batch) {
          await new Promise(setImmediate);
          if (isBroken || !isUp) return { type: "failed", cause: "the one before was missed" };
          const reaction = react(batch);
          if (reaction === "takes" || reaction === "takes-unheard")
            arrived.push(...batch.map(({ event: { sequence } }) => sequence));
          if (reaction === "takes") return { type: "acknowledged" };
          if (typeof reaction === "object") return reaction;
          isBroken = true;
          return { type: "failed", cause: reaction };
        },
        broken: new Promise<string>(() => {}),
        isProof: false,
        close: async () => {
          isBroken = true;
        },
      };
      return ok(connection);
    },
    ...options,
  };
  return {
    transport,
    arrived,
    setUp: (up: boolean) => {
      isUp = up;
    },
  };
}

/** Waits for nothing: what is due later is due in the next turn of the loop. */
export const hurriedClock = {
  nowMs: Date.now,
  setTimer: (_delayMs: number, run: () => void) => {
    const timer = setImmediate(run);
    return () => clearImmediate(timer);
  },
};

export const silentLog = { info: () => {}, warn: () => {}, error: () => {} };

export const sinkMetrics = { published: () => {}, failed: () => {}, deadLettered: () => {} };

export function sinksOver(options: {
  readonly events: WorkflowStore;
  readonly store: SinkStore;
  readonly definitions: readonly SinkDefinition[];
  readonly clock?: typeof hurriedClock;
}): Promise<Sinks> {
  const { events, store, definitions, clock = hurriedClock } = options;
  const watch = createWatch({ clock: systemClock, store: events, turns: pausing() });
  const source = createEventSource({ store: events, watch });
  const surroundings = {
    source,
    store,
    clock,
    random: () => 0,
    turns: pausing(),
    log: silentLog,
    metrics: sinkMetrics,
  };
  return createSinks({ definitions, surroundings });
}

export const definition = (transport: Transport, fields: Partial<SinkDefinition> = {}): SinkDefinition => ({
  name: "bus",
  filter: "",
  start: "oldest",
  transport,
  ...fields,
});

/** A store with so many events. */
export async function storeWith(count: number): Promise<WorkflowStore> {
  const store = createMemoryWorkflowStore();
  await happen(store, count);
  return store;
}

export async function happen(store: WorkflowStore, count: number, fields: Parameters<typeof event>[1] = {}): Promise<void> {
  if (count === 0) return;
  const { newest } = await store.sequences();
  const events = Array.from({ length: count }, (_, index) =>
    event(workflow(`wf-${index % 3}`), { id: `e-${newest + index + 1}`, ...fields }),
  );
  const applied = await store.apply({ puts: [], events });
  if (!applied.ok) throw new Error(applied.error.type);
}
