import type { Breathe } from "../kernel/turns.ts";

/** Long work, step by step, between which others have their turn. */
export async function inSlices<Value>(steps: Generator<void, Value>, breathe: Breathe): Promise<Value> {
  for (;;) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const step = steps.next();
    if (step.done) return step.value;
  }
}
