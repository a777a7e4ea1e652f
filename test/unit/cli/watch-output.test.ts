import { afterEach, describe, expect, test, vi } from "vitest";
import { print } from "../../../src/cli/output.ts";
import { watchOutput } from "../../../src/cli/watch-output.ts";

const stdout = process.stdout as { isTTY: boolean | undefined };
const isTTY = stdout.isTTY;
afterEach(() => {
  stdout.isTTY = isTTY;
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** What is written when first `one` is shown and then `two`. */
async function watched(terminal: { readonly isTTY: boolean; readonly term: string }): Promise<string> {
  stdout.isTTY = terminal.isTTY;
  vi.stubEnv("TERM", terminal.term);
  const written: string[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  const ended = new AbortController();
  const shown = ["one", "two"];
  const run = async (): Promise<void> => {
    print(shown.shift() ?? "");
    if (shown.length === 0) ended.abort();
  };
  await watchOutput(run, { everyMs: 1, output: "table", signal: ended.signal });
  return written.join("");
}

describe("what has changed is shown", () => {
  test("on a terminal in the place of the last, without erasing what has scrolled off", async () => {
    const clear = "\u001b[H\u001b[2J";
    expect(await watched({ isTTY: true, term: "xterm" })).toBe(`${clear}one\n${clear}two\n`);
  });

  test.each([
    ["to no terminal", { isTTY: false, term: "xterm" }],
    ["on one that knows no sequences", { isTTY: true, term: "dumb" }],
  ])("beneath the last %s", async (_, terminal) => {
    expect(await watched(terminal)).toBe("one\n\ntwo\n");
  });
});
