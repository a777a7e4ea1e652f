import { type Range, runRange } from "./run.ts";

// One of the processes of a run: answers each range of seeds with what it has found.

process.on("message", (range: Range) => void runRange(range).then((found) => process.send?.(found)));
process.on("disconnect", () => process.exit());
// Whoever interrupts the run ends it through the parent.
process.on("SIGINT", () => {});
