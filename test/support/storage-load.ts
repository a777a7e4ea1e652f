import type { WorkflowBatch } from "../../src/workflow/ports.ts";
import { answering, creation, transactionId } from "./storage-values.ts";

/** A batch with two of everything that must stand or fall together. */
export function loadBatch(prefix: string, index: number): WorkflowBatch {
  const name = `${prefix}-${index}`;
  const [left, right] = [creation(`${name}-left`), creation(`${name}-right`)];
  return {
    puts: [...left.puts, ...right.puts],
    events: [...left.events, ...right.events],
    ...answering(name, name),
    outcome: { transactionId: transactionId(name), coordinatorId: "c", outcome: "committed", atMs: 1 },
  };
}
