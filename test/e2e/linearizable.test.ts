import fc from "fast-check";
import { ClientError } from "nice-grpc";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { clientFailure } from "../../src/rpc/errors.ts";
import { temporaryFolder } from "../support/concord.ts";
import { recordCalls, whyNot } from "../support/linearizable.ts";
import { type Program, runConcord } from "../support/process.ts";
import { seed } from "../support/seed.ts";
import {
  ask,
  type Heard,
  lockRule,
  type Verb,
  verbArbitrary,
  withOwnRequestId,
  workflowModel,
} from "../support/workflow-model.ts";

// Callers change the same workflows while the server is killed. What they hear, before and after, one caller could have heard in some order in
// which a call without an answer was made or was not. A failure prints its seed; replay it with SEED=n npx vitest run test/e2e/linearizable.test.ts.
const rounds = Number(process.env["RUNS"] ?? 4);

let folder: ReturnType<typeof temporaryFolder>;
let program: Program;
let address = "127.0.0.1:0";

async function start(): Promise<void> {
  program = runConcord(["serve", "--listen", address, "--data-dir", folder.path]);
  address = String((await program.logged("serving"))["listen"]);
}

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  await program.kill();
  folder.remove();
});

test(`histories of a server that is killed are linearizable (seed ${seed})`, async () => {
  await start();
  const channel = openChannel(address);
  const clients = connect(channel);
  await clients.predicates.createRule(lockRule);
  await clients.predicates.activateRule({ ruleId: lockRule.ruleId, reason: "a test", requestedBy: "test" });

  const programs = fc.array(fc.array(verbArbitrary, { minLength: 6, maxLength: 8 }), { minLength: 4, maxLength: 4 });
  const cases = fc.sample(fc.tuple(programs, fc.integer({ min: 4, max: 20 })), { seed, numRuns: rounds });
  for (const [index, [callers, killAfter]] of cases.entries()) {
    const scope = `round-${index}`;
    let answers = 0;
    let back: Promise<void> | undefined;
    const killAndStart = async (): Promise<void> => {
      await program.kill();
      await start();
    };
    const run = async (verb: Verb): Promise<Heard | undefined> => {
      try {
        const heard = await ask(clients, verb, scope);
        answers += 1;
        if (answers === killAfter) back = killAndStart();
        return heard;
      } catch (error) {
        // The connection broke, or the server was gone.
        if (!(error instanceof ClientError) || clientFailure(error).reason !== undefined) throw error;
        await back;
        return undefined;
      }
    };
    const history = await recordCalls(
      callers.map((caller) => caller.map(withOwnRequestId)),
      run,
    );
    await back;
    expect(whyNot(workflowModel, history)).toBeUndefined();
    expect(history.filter(({ output }) => output !== undefined).length).toBeGreaterThan(killAfter);
  }
  channel.close();
});
