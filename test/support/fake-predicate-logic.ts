import { ServerCredentials } from "@grpc/grpc-js";
import { createServer, type ServerError } from "nice-grpc";
import { errorDetailsServerMiddleware } from "nice-grpc-error-details";
import {
  type DeepPartial,
  Judgement,
  PredicateLogicDefinition,
  type TransitionCheck,
  type TransitionVerdict,
} from "../../src/gen/concord/predicate/v1/predicate_logic.ts";

export type Answerer = (checks: readonly TransitionCheck[]) => Promise<readonly DeepPartial<TransitionVerdict>[]>;

/** Allows, and gives the workflow's version back as the revision, so that each answer can be told from the others. */
export const echo: Answerer = async (checks) =>
  checks.map(({ workflow }) => ({ judgement: Judgement.ALLOWED, ruleSetRevision: workflow?.version ?? 0n }));

export async function startFakePredicateLogic() {
  const calls: string[][] = [];
  const server = createServer().use(errorDetailsServerMiddleware);
  const alone: string[] = [];
  const fake = {
    calls,
    alone,
    answer: echo as Answerer,
    answerAlone: echo as Answerer,
    address: "",
    stop: () => server.forceShutdown(),
  };
  const unused = async (): Promise<never> => {
    throw new Error("only checks are expected");
  };
  server.add(PredicateLogicDefinition, {
    async batchValidateTransitions({ checks }) {
      calls.push(checks.map(({ workflow }) => workflow?.workflowId ?? ""));
      return { verdicts: await fake.answer(checks) };
    },
    async validateTransition({ check }) {
      if (check === undefined) return {};
      alone.push(check.workflow?.workflowId ?? "");
      return { verdict: (await fake.answerAlone([check]))[0] };
    },
    createRule: unused,
    getRule: unused,
    listRules: unused,
    activateRule: unused,
    deactivateRule: unused,
  });
  const port = await server.listen("127.0.0.1:0", ServerCredentials.createInsecure());
  fake.address = `127.0.0.1:${port}`;
  return fake;
}

export const failWith =
  (error: ServerError): Answerer =>
  async () => {
    throw error;
  };
