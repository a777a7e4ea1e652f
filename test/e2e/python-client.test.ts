import { expect, test } from "vitest";
import { pytest, setUpPythonClient } from "../support/python-client.ts";

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
