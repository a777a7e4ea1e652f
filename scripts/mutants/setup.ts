// Before each test file: which mutant is tried, and after each test, which ones it has reached.
import { afterEach, beforeEach, inject, vi } from "vitest";
import { announce, type Order, type Reached, type Shared, sharedKey } from "./shared.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly order: Order;
  }
  interface TaskMeta {
    reached?: Reached;
  }
}

const { active, asked } = (globalThis as unknown as Record<typeof sharedKey, Shared>)[sharedKey];
const { mutant, afresh, testTimeoutMs } = inject("order");

asked.fill(0);
active[0] = mutant;
announce(mutant);
if (afresh) vi.resetModules();
vi.setConfig({ testTimeout: testTimeoutMs, hookTimeout: testTimeoutMs });

let hasFailed = false;
let cpu = process.cpuUsage();
let before: readonly number[] = [];

beforeEach(({ skip }) => {
  before = take();
  cpu = process.cpuUsage();
  // One failure is enough to kill it.
  if (hasFailed && mutant !== -1) skip();
});

afterEach(({ task }) => {
  hasFailed ||= task.result?.state === "fail";
  const { user, system } = process.cpuUsage(cpu);
  if (mutant === -1) task.meta.reached = { before, within: take(), cpuMs: (user + system) / 1_000 };
});

function take(): readonly number[] {
  if (mutant !== -1) return [];
  const taken: number[] = [];
  for (let id = asked.indexOf(1); id !== -1; id = asked.indexOf(1, id + 1)) taken.push(id);
  asked.fill(0);
  return taken;
}
