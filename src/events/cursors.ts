import type { Clock } from "../kernel/clock.ts";
import type { SeldomLog } from "../kernel/seldom.ts";
import { cursorSaveMs } from "./limits.ts";
import type { SinkBatch, SinkRecord, SinkStore } from "./ports.ts";

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
  let last: Promise<unknown> = Promise.resolve();

  /** One after the other: what is written later is newer. */
  function inTurn<Written>(write: () => Promise<Written>): Promise<Written> {
    const written = last.then(write);
    last = written;
    return written;
  }

  /** Instead of what has moved so far of the same sinks: written later, that would undo it. */
  async function write(batch: SinkBatch): ReturnType<SinkStore["apply"]> {
    const { puts = [] } = batch;
    const overtaken = puts.map(({ name }) => unsaved.get(name)).filter((record) => record !== undefined);
    for (const { name } of overtaken) unsaved.delete(name);
    for (const { name, cursor } of puts) {
      const before = stored.get(name);
      // Until its write has succeeded either may be there: what follows the older one is needed.
      if (before !== undefined) stored.set(name, Math.min(before, cursor));
    }
    const written = await store.apply(batch);
    if (written.ok) for (const { name, cursor } of puts) stored.set(name, cursor);
    // What has moved meanwhile is newer.
    else for (const record of overtaken) if (!unsaved.has(record.name)) unsaved.set(record.name, record);
    return written;
  }

  async function writeMoved(): Promise<void> {
    if (unsaved.size === 0) return;
    const written = await write({ puts: [...unsaved.values()] });
    if (written.ok) return;
    const message = "how far sinks have come cannot be stored; after a crash they publish again what they have since";
    log.error("", { cause: written.error }, message);
    later();
  }

  function save(): Promise<void> {
    cancel?.();
    cancel = undefined;
    return inTurn(writeMoved);
  }

  function later(): void {
    cancel ??= clock.setTimer(cursorSaveMs, () => void save());
  }

  return {
    moved: (record) => {
      unsaved.set(record.name, record);
      later();
    },
    apply: (batch) => {
      void save();
      return inTurn(() => write(batch));
    },
    stored: (name) => stored.get(name),
    close: async () => {
      await save();
      cancel?.();
    },
  };
}
