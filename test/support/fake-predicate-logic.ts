import { ServerCredentials } from "@grpc/grpc-js";
import { createServer, ServerError, Status } from "nice-grpc";
import { errorDetailsServerMiddleware } from "nice-grpc-error-details";
import {
  type DeepPartial,
  type ListAllowedTransitionsResponse,
  PredicateLogicDefinition,
  type PredicateLogicServiceImplementation,
  type StreamValidateTransitionsResponse,
  type ValidateMetadataResponse,
} from "../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { Judgement, type TransitionCheck, type TransitionVerdict } from "../../src/gen/concord/predicate/v1/verdict.ts";

export type Answerer = (checks: readonly TransitionCheck[]) => Promise<readonly DeepPartial<TransitionVerdict>[]>;

/** Allows, and gives the workflow's version back as the revision, so that each answer can be told from the others. */
export const echo: Answerer = async (checks) =>
  checks.map(({ workflow }) => ({ judgement: Judgement.ALLOWED, ruleSetRevision: workflow?.version ?? 0n }));

export type QuestionAnswerer = (question: {
  readonly checks: readonly TransitionCheck[];
  readonly question: bigint;
}) => Promise<readonly DeepPartial<StreamValidateTransitionsResponse>[]>;

export async function startFakePredicateLogic({ address = "127.0.0.1:0" } = {}) {
  const calls: string[][] = [];
  const server = createServer().use(errorDetailsServerMiddleware);
  const alone: string[] = [];
  const fake = {
    calls,
    alone,
    answer: echo as Answerer,
    answerAlone: echo as Answerer,
    moves: async (): Promise<DeepPartial<ListAllowedTransitionsResponse>> => ({}),
    /** Who was asked whether their metadata is right, by type. */
    askedOfMetadata: [] as string[],
    answerOfMetadata: async (): Promise<DeepPartial<ValidateMetadataResponse>> => ({ ruleSetRevision: 4n }),
    hasStreams: false,
    /** Those that are open. */
    streams: new Set<object>(),
    /** What was asked on streams. */
    questions: [] as { readonly checks: readonly string[]; readonly callIds: readonly string[] }[],
    answerQuestion: (async ({ checks, question }) => [{ verdicts: await fake.answer(checks), question }]) as QuestionAnswerer,
    address: "",
    stop: () => server.forceShutdown(),
  };
  const unused = async (): Promise<never> => {
    throw new Error("only checks are expected");
  };
  const { methods } = PredicateLogicDefinition;
  server.add(PredicateLogicDefinition, {
    ...(Object.fromEntries(Object.keys(methods).map((name) => [name, unused])) as unknown as PredicateLogicServiceImplementation),
    listAllowedTransitions: () => fake.moves(),
    async batchValidateTransitions({ checks }) {
      calls.push(checks.map(({ workflow }) => workflow?.workflowId ?? ""));
      return { verdicts: await fake.answer(checks) };
    },
    async *streamValidateTransitions(requests, { signal }) {
      if (!fake.hasStreams) throw new ServerError(Status.UNIMPLEMENTED, "no such method here");
      const stream = {};
      fake.streams.add(stream);
      // Also while it answers.
      signal.addEventListener("abort", () => fake.streams.delete(stream));
      try {
        for await (const { checks, question, callIds } of requests) {
          fake.questions.push({ checks: checks.map(({ workflow }) => workflow?.workflowId ?? ""), callIds });
          yield* await fake.answerQuestion({ checks, question });
        }
      } finally {
        fake.streams.delete(stream);
      }
    },
    async validateMetadata({ workflowType }) {
      fake.askedOfMetadata.push(workflowType);
      return fake.answerOfMetadata();
    },
    async validateTransition({ check }) {
      if (check === undefined) return {};
      alone.push(check.workflow?.workflowId ?? "");
      return { verdict: (await fake.answerAlone([check]))[0] };
    },
  });
  const port = await server.listen(address, ServerCredentials.createInsecure());
  fake.address = `127.0.0.1:${port}`;
  return fake;
}

export const failWith = (error: ServerError) => async (): Promise<never> => {
  throw error;
};
