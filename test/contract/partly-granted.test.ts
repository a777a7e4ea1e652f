import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accessFile, clientsWith, tokenOf, withTokens } from "../support/access.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { typed } from "../support/typed.ts";

// Commands that ask for several things show what their caller may see, and say what it may not.

const data = temporaryFolder();
const file = accessFile(data.path, {
  ...withTokens("narrow", "mover", "manager", "none"),
  grants: [
    { principals: ["narrow"], roles: ["reader"], types: ["sample"] },
    { principals: ["mover"], roles: ["client"] },
    { principals: ["manager"], roles: ["manager"], participants: ["concord.workflow"] },
  ],
});
let server: TestServer;
let transactionId: string;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path, access: file.path });
  // A client looks at the transactions that it has begun.
  const { clients, close } = clientsWith(server.address, tokenOf("mover"));
  const { transaction } = await clients.commits.beginTransaction({ requestedBy: "mover" });
  transactionId = transaction?.transactionId ?? "";
  close();
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

async function as(name: string, ...args: readonly string[]) {
  const tokenFile = join(data.path, `${name}.token`);
  writeFileSync(tokenFile, tokenOf(name));
  const { code, out } = await typed([...args, "--token-file", tokenFile], { address: server.address });
  return { code, lines: out.replaceAll(server.address, "HERE").split("\n") };
}

const notAllowed = (method: string) => `what you are granted does not allow ${method}`;

test("status, of one who may not see the sinks, nor who takes part", async () => {
  const { code, lines } = await as("narrow", "status");
  expect(lines).toContainEqual(expect.stringMatching(/^concord\.workflow\.v1\.WorkflowService +yes/));
  expect(lines.filter((line) => line.startsWith("?"))).toEqual([`? sinks of HERE: ${notAllowed("WorkflowService/ListSinks")}`]);
  expect(code === 1).toBe(lines.some((line) => line.startsWith("!")));
  expect((await as("manager", "status")).lines.filter((line) => line.startsWith("?"))).toEqual([
    `? sinks of HERE: ${notAllowed("WorkflowService/ListSinks")}`,
    `? participants of HERE: ${notAllowed("TwoPhaseCommit/ListParticipants")}`,
  ]);
  const [json = ""] = (await as("narrow", "status", "-o", "json")).lines;
  expect(JSON.parse(json).processes).toMatchObject([{ unseen: [expect.stringMatching(/^sinks of /)] }]);
});

test("status, of one who may not see how the server is: that is all that it says, and no success", async () => {
  expect(await as("mover", "status")).toMatchObject({
    code: 1,
    lines: [
      "nothing of what you may see wants a look, but how HERE is you may not see: that counts, exit code 1",
      `? how HERE is: ${notAllowed("ServerStatus/GetServerStatus")}`,
      "",
    ],
  });
});

test("status, of one who proves nothing: that it was refused, and why", async () => {
  const { code, out } = await typed(["status"], { address: server.address });
  const lines = out.replaceAll(server.address, "HERE").split("\n");
  expect([code, lines[0], lines[2]]).toEqual([
    1,
    "HERE answers, and refuses to say how it is",
    expect.stringMatching(/^! HERE: nobody knows who calls; send a token/),
  ]);
  expect(lines[3]).toContain("docs/security.md");
});

test("diagnose, of one who may see neither transactions nor workflows: both are named", async () => {
  const tokenFile = join(data.path, "none.token");
  writeFileSync(tokenFile, tokenOf("none"));
  const { code, err } = await typed(["diagnose", "x", "--token-file", tokenFile], { address: server.address });
  expect(code).toBe(1);
  for (const method of ["WorkflowService/GetWorkflow", "TwoPhaseCommit/GetTransaction"])
    expect(err).toContain(notAllowed(method));
});

test("diagnose, of one who may not see who takes part", async () => {
  const { lines } = await as("mover", "diagnose", transactionId);
  expect(lines[0]).toBe(`transaction ${transactionId} is INIT, not decided`);
  expect(lines).toContain(`? which participants are connected: ${notAllowed("TwoPhaseCommit/ListParticipants")}`);
});
