import type { ChildProcess } from "node:child_process";
import { afterEach, beforeEach, test } from "vitest";
import { freePort } from "../../examples/bank-transfer/postgres.ts";
import { temporaryFolder } from "../support/concord.ts";
import { expectPastes } from "../support/pastes.ts";

// `UPDATE_PASTES=1 npx vitest run test/e2e/security-doc.test.ts` writes the outputs of today into the document.

let data: ReturnType<typeof temporaryFolder>;
const background: ChildProcess[] = [];
const environment = { ...process.env };

beforeEach(() => {
  data = temporaryFolder();
  process.env["CONCORD_CONTEXTS"] = `${data.path}/contexts.yaml`;
});

afterEach(() => {
  for (const child of background.splice(0)) child.kill("SIGKILL");
  process.env = { ...environment };
  data.remove();
});

test("each line of docs/security.md prints what is shown below it: on a laptop, by TLS, by mutual TLS, by tokens", async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const dataDir = `${data.path}/data`;
  await expectPastes({ file: "docs/security.md", address, url: "http://none.invalid", dataDir, background, cwd: data.path });
});
