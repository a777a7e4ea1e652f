import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { rules } from "../../src/cli/participant-check/rules.ts";
import { temporaryFolder } from "../support/concord.ts";
import { checkAddress, checkParticipant, commandLine } from "../support/participant-check.ts";
import { pytest, python, setUpPythonClient } from "../support/python-client.ts";

const data = temporaryFolder();
afterAll(() => data.remove());

const missing = setUpPythonClient();
if (missing !== undefined) console.error(`clients/python is not tested: ${missing}`);

// clients/python/tests has them, by name. They start servers of this clone, and kill them.
test.skipIf(missing !== undefined)(
  "the client and the participant in Python pass their tests",
  { timeout: 600_000 },
  async () => {
    expect(await pytest()).toMatch(/^=+ \d+ passed in /m);
  },
);

test.skipIf(missing !== undefined)("the participant in Python keeps the contract", { timeout: 600_000 }, async () => {
  const seats = join(import.meta.dirname, "../../clients/python/tests/seats.py");
  const start = `${commandLine(python, seats)} ${checkAddress} ${join(data.path, "seats.sqlite")}`;
  const flags = ["--payload", "seat-{id}", "--abort-payload", "fault", "--read-only-payload", "none"];
  const { failed, amiss, passed } = await checkParticipant("seats", start, { flags });
  expect(failed, JSON.stringify(amiss)).toEqual([]);
  // This program is ended, and does not leave.
  const leaving = ["goodbye-then-half-close", "leaves-its-promises"];
  expect([Object.keys(amiss), passed]).toEqual([leaving, rules.length - leaving.length]);
});
