import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../../support/concord.ts";
import { recordCalls, whyNot } from "../../support/linearizable.ts";
import {
  ask,
  lockRule,
  type ModelState,
  type Verb,
  verbArbitrary,
  withOwnRequestId,
  workflowModel,
} from "../../support/workflow-model.ts";

// Every verb of the real service, over gRPC, against a model of what it owes. A failure prints its seed, and is shrunk; replay it with
// SEED=n npx vitest run test/property/workflow/model.test.ts. RUNS=n makes it longer.
const runs = Number(process.env["RUNS"] ?? 60);
const parameters = { numRuns: runs };

const data = temporaryFolder();
let server: TestServer;
let count = 0;

/** The ids and the type of one run: no run sees another one's workflows. */
const newScope = (): string => `scope-${++count}`;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  const { predicates } = server.clients;
  await predicates.createRule(lockRule);
  await predicates.activateRule({ ruleId: lockRule.ruleId, reason: "a test", requestedBy: "test" });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

type Real = { readonly scope: string };
type Model = { state: ModelState };

class VerbCommand implements fc.AsyncCommand<Model, Real> {
  readonly #verb: Verb;

  constructor(verb: Verb) {
    this.#verb = verb;
  }

  check = (): boolean => true;

  async run(model: Model, { scope }: Real): Promise<void> {
    const { state, output } = workflowModel.step(model.state, this.#verb);
    model.state = state;
    expect(await ask(server.clients, this.#verb, scope)).toBe(output);
  }

  toString = (): string => JSON.stringify(this.#verb);
}

test("one caller hears of each verb what the contract says", async () => {
  const commands = fc.commands([verbArbitrary.map((verb) => new VerbCommand(verb))], { maxCommands: 40 });
  await fc.assert(
    fc.asyncProperty(commands, async (cmds) => {
      const real = { scope: newScope() };
      await fc.asyncModelRun(() => ({ model: { state: workflowModel.initial }, real }), cmds);
    }),
    parameters,
  );
});

test("what several callers hear at once, one caller could have heard in some order (linearizable)", async () => {
  const callers = fc.array(fc.array(verbArbitrary, { minLength: 1, maxLength: 7 }), { minLength: 2, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(callers, async (programs) => {
      const scope = newScope();
      const history = await recordCalls(
        programs.map((program) => program.map(withOwnRequestId)),
        (verb) => ask(server.clients, verb, scope),
      );
      expect(whyNot(workflowModel, history)).toBeUndefined();
    }),
    parameters,
  );
});
