import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { registry } from "../../../src/rpc/descriptors.ts";
import { startServer, type TestServer, temporaryFolder } from "../../support/concord.ts";
import { concordServices, createProtoClient, type ProtoClient, type RpcName } from "../../support/proto-client.ts";
import { mutations, randomMessage, spoil, tapeOf, tapes } from "../../support/random-message.ts";
import { joinAs } from "../../support/scripted-participant.ts";

// Replay a failure with SEED=n npx vitest run --project property.
const runs = { numRuns: 50 };

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const methods = concordServices.flatMap(({ service, fullName }) =>
  (registry.getService(fullName)?.methods ?? []).map((method) => ({
    rpc: `${service}/${method.name}` as RpcName,
    input: method.input,
    kind: method.methodKind,
  })),
);

describe.each(methods.filter(({ kind }) => kind === "unary"))("$rpc", ({ rpc, input }) => {
  test("bytes of any kind are answered, and never with INTERNAL or UNKNOWN", async () => {
    await fc.assert(
      fc.asyncProperty(tapes, mutations, async (tape, changes) => {
        const failure = await client
          .failureOfBytes(rpc, spoil(randomMessage(input, tapeOf(tape)), changes))
          .catch(() => undefined);
        expect(["INTERNAL", "UNKNOWN"]).not.toContain(failure?.code);
      }),
      runs,
    );
  });
});

function inputOf(wanted: RpcName) {
  const found = methods.find(({ rpc }) => rpc === wanted);
  if (found === undefined) throw new Error(`no ${wanted}`);
  return found.input;
}

test("PredicateLogic/StreamValidateTransitions answers bytes of any kind, or ends with a reason", async () => {
  const input = inputOf("PredicateLogic/StreamValidateTransitions");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(tapes, mutations), { minLength: 1, maxLength: 20 }), async (messages) => {
      const stream = client.converse("PredicateLogic/StreamValidateTransitions");
      for (const [tape, changes] of messages) stream.send(Buffer.from(spoil(randomMessage(input, tapeOf(tape)), changes)));
      stream.endSending();
      expect(["INTERNAL", "UNKNOWN"]).not.toContain((await stream.end())?.code);
    }),
    runs,
  );
});

test("TwoPhaseCommit/Participate answers bytes of any kind with Nack, or ends with a reason", async () => {
  const input = inputOf("TwoPhaseCommit/Participate");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(tapes, mutations), { minLength: 1, maxLength: 20 }), async (messages) => {
      const participant = await joinAs(client, "clumsy");
      for (const [tape, changes] of messages) participant.sendBytes(spoil(randomMessage(input, tapeOf(tape)), changes));
      participant.endSending();
      expect(["INTERNAL", "UNKNOWN"]).not.toContain((await participant.end())?.code);
    }),
    runs,
  );
});
