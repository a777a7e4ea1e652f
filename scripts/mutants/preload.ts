// Loaded first by the process that runs tests, by its worker threads, and by what it spawns: all of them run the code with the mutants in it.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { getEnvironmentData, isMainThread, setEnvironmentData } from "node:worker_threads";
import { environment, type Shared, sharedKey } from "./shared.ts";

const { folder, count, active } = environment();

/** Threads look at the memory of the process; another process has its own, and the mutant that was tried when it was started. */
const shared: Shared = isMainThread
  ? { active: new Int32Array(new SharedArrayBuffer(4)).fill(active), asked: new Uint8Array(new SharedArrayBuffer(count)) }
  : (getEnvironmentData(sharedKey) as Shared);
if (isMainThread) setEnvironmentData(sharedKey, shared);

Object.assign(globalThis, {
  [sharedKey]: shared,
  __mutant(id: number): boolean {
    shared.asked[id] = 1;
    return shared.active[0] === id;
  },
});

// Vitest loads what a test imports, and Node what a thread or another process does.
const source = new URL("../../src/", import.meta.url).href;
registerHooks({
  load(url, context, nextLoad) {
    if (!url.startsWith(source) || !url.endsWith(".ts")) return nextLoad(url, context);
    try {
      const text = readFileSync(new URL(url.slice(source.length), folder), "utf8");
      return { format: "module-typescript", source: text, shortCircuit: true };
    } catch {
      return nextLoad(url, context);
    }
  },
});
