import type { ChildProcess } from "node:child_process";
import { afterEach, beforeEach, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { expectPastes } from "../support/pastes.ts";

// `UPDATE_PASTES=1 npx vitest run test/e2e/readme.test.ts` writes the outputs of today into the documents.

let data: ReturnType<typeof temporaryFolder>;
let server: TestServer;
const background: ChildProcess[] = [];

beforeEach(async () => {
  data = temporaryFolder();
  server = await startServer({ dataDir: `${data.path}/server`, httpListen: "127.0.0.1:0" });
});

afterEach(async () => {
  for (const child of background.splice(0)) child.kill("SIGKILL");
  await server.stop();
  data.remove();
});

// The tour is pasted after the README's lines, and the laboratory after both, as a reader does.
test.each([[["README.md", "docs/tour.md", "examples/laboratory/README.md"]], [["docs/http.md"]], [["docs/rules.md"]]])(
  "each line of %s prints what is shown below it",
  async (files) => {
    for (const file of files)
      await expectPastes({ file, address: server.address, url: server.url, dataDir: data.path, background });
  },
);
