import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openTraceWriter, type TraceWriter } from "../../../src/runtime/trace-writer.ts";
import { temporaryFolder } from "../../support/concord.ts";

function opened(path: string): TraceWriter {
  const writer = openTraceWriter(path, { warn: () => undefined, error: () => undefined });
  if (!writer.ok) throw new Error(writer.error.message);
  return writer.value;
}

test("appends each event as a line, in the file at once, and stamps it with a clock that only grows", () => {
  const folder = temporaryFolder();
  try {
    const path = join(folder.path, "trace.jsonl");
    const lines = () =>
      readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { readonly at: string; readonly action: string });
    const first = opened(path);
    first.write({ action: "Begin" });
    expect(lines()).toEqual([{ at: expect.stringMatching(/^\d+$/), action: "Begin" }]);
    first.close();
    // A process that was killed and started again.
    const second = opened(path);
    second.write({ action: "TakeOver" });
    second.close();
    const [begin, takeOver] = lines();
    expect(takeOver?.action).toBe("TakeOver");
    expect(BigInt(takeOver?.at ?? 0)).toBeGreaterThan(BigInt(begin?.at ?? 0));
    const missing = join(folder.path, "missing", "trace.jsonl");
    expect(() => opened(missing)).toThrow(`trace: cannot write ${missing}: ENOENT`);
  } finally {
    folder.remove();
  }
});
