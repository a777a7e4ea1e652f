import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../src/runtime/logger.ts";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { schemathesis, setUpSchemathesis } from "../support/schemathesis.ts";

// A stranger that knows nothing but /openapi.json. Replay with SEED=n. `make stress` draws another seed each time, and also has each bound of each
// field tried, in 9,000 requests more.

const seed = process.env["SEED"] ?? "1";
const missing = setUpSchemathesis();
if (missing !== undefined) console.warn(`\nSKIPPED: the HTTP interface is NOT fuzzed: ${missing}\n`);

test.skipIf(missing !== undefined)(`the HTTP interface is what its description says: SEED=${seed}`, async () => {
  const data = temporaryFolder();
  const defects: string[] = [];
  const log = createLogger({ level: "error", format: "json" });
  log.error = (...line: unknown[]) => void defects.push(JSON.stringify(line));
  const server = await startServer({ dataDir: `${data.path}/server`, httpListen: "127.0.0.1:0" }, log);
  onTestFinished(async () => {
    await server.stop();
    data.remove();
  });
  const settings = {
    phases: process.env["PHASES"] ?? "examples,fuzzing",
    "max-examples": process.env["EXAMPLES"] ?? "8",
    workers: "2",
    seed,
  };
  const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const { code, text } = await schemathesis([`${server.url}/openapi.json`, ...flags], data.path);
  expect(text.slice(text.indexOf("= FAILURES =")), text).not.toContain("FAILURES");
  expect([code, defects]).toEqual([0, []]);
  expect(Number(/(\d+) generated/.exec(text)?.[1])).toBeGreaterThan(300);
});
