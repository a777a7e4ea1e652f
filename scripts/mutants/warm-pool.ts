import type { ChildProcess } from "node:child_process";
import type { PoolRunnerInitializer, PoolWorker } from "vitest/node";
import { ForksPoolWorker } from "vitest/node";

/**
 * One process that outlives the runs of vitest, with all modules that it has loaded: vitest would end its own after each run. It is told to
 * start and to stop as others are, and answers that it has.
 */
export type WarmPool = {
  readonly initializer: PoolRunnerInitializer;
  /** Ends it at once; the next run has a new one. */
  end(): void;
};

/** Its process is its own business, but only this way it can be known, and ended. */
const processOf = (worker: ForksPoolWorker): ChildProcess | undefined =>
  (worker as unknown as { readonly _fork?: ChildProcess })._fork;

export function createWarmPool(): WarmPool {
  let current: ForksPoolWorker | undefined;
  let isReady = false;

  const end = (): void => {
    if (current !== undefined) processOf(current)?.kill("SIGKILL");
    current = undefined;
    isReady = false;
  };

  const createPoolWorker: PoolRunnerInitializer["createPoolWorker"] = (options) => {
    const known = current && processOf(current);
    if (known && (known.exitCode !== null || known.signalCode !== null)) end();
    current ??= new ForksPoolWorker(options);
    const worker = current;
    const attached = new Map<Parameters<PoolWorker["on"]>[1], string>();
    const answer = (type: string): void => {
      for (const [callback, event] of attached) {
        if (event === "message") callback({ type, __vitest_worker_response__: true });
      }
    };
    const off: PoolWorker["off"] = (event, callback) => {
      attached.delete(callback);
      // One that was ended has no process.
      if (processOf(worker)) worker.off(event, callback);
    };
    const pooled: PoolWorker = {
      name: "warm",
      cacheFs: true,
      on(event, callback) {
        attached.set(callback, event);
        worker.on(event, callback);
      },
      off,
      send(message) {
        if (message.type === "stop") setImmediate(answer, "stopped");
        else if (message.type === "start" && isReady) setImmediate(answer, "started");
        else {
          if (message.type === "start") isReady = true;
          if (processOf(worker)?.connected) worker.send(message);
        }
      },
      deserialize: (data) => data,
      start: () => (processOf(worker) ? Promise.resolve() : worker.start()),
      async stop() {
        for (const [callback, event] of attached) off(event, callback);
      },
      canReuse: () => true,
    };
    return pooled;
  };

  return { initializer: { name: "warm", createPoolWorker }, end };
}
