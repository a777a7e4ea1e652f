import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { knownMethods } from "../support/fuzz/answers.ts";
import { fuzz, methods } from "../support/fuzz/fuzz.ts";
import { startProbedServer } from "../support/hostile/probed-server.ts";
import { seed } from "../support/seed.ts";

// Replay with SEED=n npx vitest run test/contract/fuzz.test.ts; `node scripts/fuzz.ts` makes 100,000 calls.

test(`1,000 calls of any kind are answered as their contracts have it: SEED=${seed}`, async () => {
  const data = temporaryFolder();
  const server = await startProbedServer(data.path);
  // Also if a call was not answered as it should be: then it still runs.
  onTestFinished(() => void server.stop());
  const { answers, findings } = await fuzz({ address: server.address, seed, calls: 1000 });
  expect(findings).toEqual([]);
  expect([...answers.keys()].filter((answer) => answer.endsWith(" OK")).length).toBeGreaterThan(10);
  expect(await server.stop()).toBe(0);
  data.remove();
});

test("the fuzz knows what each RPC may answer", () => {
  expect(new Set(knownMethods)).toEqual(new Set(methods.map(({ name }) => name)));
});
