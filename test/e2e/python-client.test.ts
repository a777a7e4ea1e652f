import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { rules } from "../../src/cli/participant-check/rules.ts";
import { temporaryFolder } from "../support/concord.ts";
import { checkAddress, checkParticipant, commandLine } from "../support/participant-check.ts";
import { pytest, python, setUpPythonClient } from "../support/python-client.ts";

const data = temporaryFolder();
afterAll(() => data.remove());

const missing = setUpPythonClient();
if (missing !== undefined) console.error(`clients/python is not tested: ${missing}`);

describe.skipIf(missing !== undefined)("in Python", { concurrent: true }, () => {
  // clients/python/tests has them, by name. They start servers of this clone, and kill them.
  test("the client and the participant pass their tests", { timeout: 600_000 }, async () => {
    expect(await pytest()).toMatch(/^=+ \d+ passed in /m);
  });

  test("the participant keeps the contract", { timeout: 600_000 }, async () => {
    const seats = join(import.meta.dirname, "../../clients/python/tests/seats.py");
    const start = `${commandLine(python, seats)} ${checkAddress} ${join(data.path, "seats.sqlite")}`;
    const flags = ["--payload", "seat-{id}", "--abort-payload", "fault", "--read-only-payload", "none"];
    const { amiss, passed } = await checkParticipant("seats", start, { flags });
    expect(amiss).toEqual({});
    expect(passed).toBe(rules.length);
  });
});
