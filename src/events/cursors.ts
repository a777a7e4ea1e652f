import type { Clock } from "../kernel/clock.ts";
import type { SeldomLog } from "../kernel/seldom.ts";
import { cursorSaveMs } from "./limits.ts";
import type { SinkRecord, SinkStore } from "./ports.ts";

/** How far sinks have come, as it is stored: all that have moved in one write, a few times a second. To publish again what a crash forgets is allowed, to skip is not. */
export type Cursors = {
  /** It is stored before long. */
  moved(record: SinkRecord): void;
  /** Writes, after what has moved so far. */
  apply: SinkStore["apply"];
  /** Where this one would go on after a crash. */
  stored(name: string): number | undefined;
  close(): Promise<void>;
};

export function createCursors(dependencies: {
  readonly store: SinkStore;
  readonly clock: Pick<Clock, "setTimer">;
  readonly log: SeldomLog;
}): Cursors {
  const { store, clock, log } = dependencies;
  const unsaved = new Map<string, SinkRecord>();
  const stored = new Map<string, number>();
  let cancel: (() => void) | undefined;
  let saving = Promise.resolve();

  const write: SinkStore["apply"] = async (batch) => {
    const written = await store.apply(batch);
    if (written.ok) for (const { name, cursor } of batch.puts ?? []) stored.set(name, cursor);
    return written;
  };

  async function writeMoved(): Promise<void> {
    if (unsaved.size === 0) return;
    const puts = [...unsaved.values()];
    unsaved.clear();
    const written = await write({ puts });
    if (written.ok) return;
    const message = "how far sinks have come cannot be stored; after a crash they publish again what they have since";
    log.error("", { cause: written.error }, message);
    // What has moved meanwhile is newer.
    for (const put of puts) if (!unsaved.has(put.name)) unsaved.set(put.name, put);
    later();
  }

  function save(): Promise<void> {
    cancel?.();
    cancel = undefined;
    saving = saving.then(writeMoved);
    return saving;
  }

  function later(): void {
    cancel ??= clock.setTimer(cursorSaveMs, () => void save());
  }

  return {
    moved: (record) => {
      unsaved.set(record.name, record);
      later();
    },
    apply: async (batch) => {
      await save();
      return write(batch);
    },
    stored: (name) => stored.get(name),
    close: async () => {
      await save();
      cancel?.();
    },
  };
}
