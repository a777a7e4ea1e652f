import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

// In a process of its own: the logger writes to standard error.

const logger = join(import.meta.dirname, "../../../src/runtime/logger.ts");
const hostile = "\u001b[2J a\r\nFATAL: forged \u009b31m \u202e";

function logged(format: "json" | "pretty"): string {
  const program = `
    import { createLogger } from ${JSON.stringify(logger)};
    const hostile = ${JSON.stringify(hostile)};
    const log = createLogger({ level: "info", format: ${JSON.stringify(format)}, sync: true });
    log.info({ reason: hostile, inner: { list: [hostile] } }, hostile);
    log.error({ err: new Error(hostile) }, "failed");`;
  const { stderr, stdout, status } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
  });
  expect([status, stdout]).toEqual([0, ""]);
  return stderr;
}

describe("what callers wrote, in a log", () => {
  test("for people shows itself: it paints nothing, and makes no line of its own", () => {
    const lines = logged("pretty").split("\n");
    const shown = "\\u001b[2J a\\r\\nFATAL: forged \\u009b31m \\u202e";
    expect(lines[0]).toMatch(/^\[[\d:.]+\] INFO: /);
    expect(lines[0]?.split("INFO: ")[1]).toBe(`${shown} {"reason":"${shown}","inner":{"list":["${shown}"]}}`);
    expect(lines.filter((line) => line.startsWith("FATAL"))).toEqual([]);
    expect(lines.join("")).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(
      lines.some((line) => /^ +at /.test(line)),
      "a stack has its lines",
    ).toBe(true);
  });

  test("for machines is exact", () => {
    const [line = ""] = logged("json").split("\n");
    expect(JSON.parse(line)).toMatchObject({ reason: hostile, inner: { list: [hostile] }, msg: hostile });
  });
});
