import type { ChildProcess } from "node:child_process";
import { afterEach, beforeEach, test } from "vitest";
import { freePort } from "../../examples/bank-transfer/postgres.ts";
import { temporaryFolder } from "../support/concord.ts";
import { createIssuer, serveIssuer } from "../support/issuer.ts";
import { expectPastes } from "../support/pastes.ts";

// `UPDATE_PASTES=1 npx vitest run test/e2e/security-doc.test.ts` writes the outputs of today into the document.

let data: ReturnType<typeof temporaryFolder>;
let issuer: Awaited<ReturnType<typeof serveIssuer>>;
const background: ChildProcess[] = [];
const environment = { ...process.env };

beforeEach(async () => {
  // Whom the page's program is known to, by the page's secret.
  issuer = await serveIssuer({ robot: "for-trying-out" });
  issuer.rotate(await createIssuer(issuer.url, "first"));
  data = temporaryFolder();
  process.env["CONCORD_CONTEXTS"] = `${data.path}/contexts.yaml`;
});

afterEach(() => {
  for (const child of background.splice(0)) child.kill("SIGKILL");
  process.env = { ...environment };
  issuer.close();
  data.remove();
});

test("each line of docs/security.md prints what is shown below it: on a laptop, by TLS, by mutual TLS, by tokens, by OpenID Connect", async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const dataDir = `${data.path}/data`;
  const url = "http://none.invalid";
  await expectPastes({ file: "docs/security.md", address, url, issuer: issuer.url, dataDir, background, cwd: data.path });
});
