import { StreamValidateTransitionsRequest } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import type { DeepPartial, Rule } from "../../../src/gen/concord/predicate/v1/rule_set.ts";
import { BatchMode } from "../../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { WatchPosition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { structValueCountMax } from "../../../src/kernel/limits.ts";
import { duplexCall } from "../../../src/rpc/clients/duplex-call.ts";
import { encoded } from "../../../src/rpc/encoded-answer.ts";
import { answered, by, type HostileWorld, times } from "./world.ts";

/** One legal thing, or one refused, that a stranger may do as often as they like. Resolves when it has its answers. */
export type HostileCall = { readonly name: string; readonly run: (world: HostileWorld) => Promise<void> };

const { ACTIVE, FAILED, PAUSED } = WorkflowState;
const numbersOfFilter = `[${Array.from({ length: 12 }, (_, index) => index).join(",")}]`;
/** Evaluated for each resource, as no index knows it, and nearly as dear as a filter may be. */
const matchesNothing = `${numbersOfFilter}.exists(x, ${numbersOfFilter}.exists(y, x + y > 1000))`;
const pageSize = 1000;
const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });

/** Also a made-up term a dozen times makes an expression long. */
function longExpression(of: "event" | "workflow", length = 4096): string {
  let text = `${of}.metadata.a0 == 0.0`;
  for (let index = 1; ; index += 1) {
    const next = `${text} || ${of}.metadata.a${index} == ${index}.0`;
    if (next.length > length) return text;
    text = next;
  }
}

async function filteredWatch({ clients }: HostileWorld): Promise<void> {
  const newest = BigInt((await clients.workflows.getSystemStats({})).totalEvents);
  const leaving = new AbortController();
  const watch = clients.workflows.watchWorkflowEvents(
    {
      start: { $case: "position", value: WatchPosition.OLDEST_AVAILABLE },
      filter: matchesNothing,
      progressInterval: seconds(1),
    },
    { signal: leaving.signal },
  );
  for await (const { body } of watch) if (body?.$case === "progress" && body.value.sequence >= newest) break;
  leaving.abort();
}

async function pagesOf(list: (pageToken: string) => Promise<{ readonly nextPageToken: string }>): Promise<void> {
  let token = "";
  do token = (await list(token)).nextPageToken;
  while (token !== "");
}

const numbers = Array.from({ length: 110 }, (_, index) => index);

const dearCheck = {
  workflow: { workflowId: "dear", state: ACTIVE, version: 2n, metadata: { numbers } },
  targetState: PAUSED,
  ...by,
};

const dearQuestion = encoded(StreamValidateTransitionsRequest, { checks: [dearCheck], promptOnly: true });

/** All of them in one write. */
function dearQuestions({ address }: HostileWorld, count: number): Promise<void> {
  const path = "/concord.predicate.v1.PredicateLogic/StreamValidateTransitions";
  const questions = (async function* () {
    yield Array.from({ length: count }, () => dearQuestion);
  })();
  return endOf(duplexCall({ address, path }, questions, new AbortController().signal));
}

const wide = Object.fromEntries(Array.from({ length: structValueCountMax - 1 }, (_, index) => [`k${index}`, index]));

/** Denied, for it has no numbers. */
const wideCheck = {
  workflow: { workflowId: "wide", state: ACTIVE, version: 2n, metadata: wide },
  targetState: PAUSED,
  context: wide,
  ...by,
};

async function endOf(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

const repeated = (bytes: readonly number[], size: number): Uint8Array => {
  const message = Buffer.alloc(size - (size % bytes.length));
  for (let at = 0; at < message.length; at += 1) message[at] = bytes[at % bytes.length] ?? 0;
  return message;
};

const typesAt = (at: number) => Array.from({ length: 30 }, (_, index) => `type-${(at + index * 4) % 256}`);

/** All of them at once, and then what was there before. */
async function applied(
  { clients }: HostileWorld,
  rules: readonly DeepPartial<Rule>[],
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<void> {
  const { change } = await clients.predicates.applyRuleSet({ rules, ...by });
  await meanwhile();
  await clients.predicates.rollbackRuleSet({ revision: (change?.ruleSetRevision ?? 0n) - 1n, ...by });
}

let runs = 0;

/** As many fields as a message may have, of them and what they are to keep. */
async function batchOfMoves({ clients }: HostileWorld, mode: BatchMode): Promise<void> {
  runs += 1;
  const names = Array.from({ length: 1000 }, (_, index) => `batch-${runs}-${index}`);
  await times(names.length, (index) => clients.workflows.createWorkflow({ workflowId: names[index] ?? "", ...by }), 50);
  const eventMetadata = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`k${index}`, index]));
  const items = names.map((workflowId) => ({ workflowId, targetState: ACTIVE, eventMetadata }));
  const request = { mode, items, ...by, requestId: `batch-${runs}` };
  const { applied: all } = await clients.workflows.batchTransitionWorkflows(request);
  if (!all) throw new Error("the batch was refused");
  await clients.workflows.batchTransitionWorkflows(request);
}

export const hostileCalls: readonly HostileCall[] = [
  { name: "a watch from the oldest event, whose filter matches nothing", run: filteredWatch },
  {
    name: "a list of events, whose filter matches nothing",
    run: ({ clients }) =>
      pagesOf((pageToken) => clients.workflows.listWorkflowEvents({ filter: matchesNothing, pageSize, pageToken })),
  },
  {
    name: "a list of workflows, 1,000 a page",
    run: ({ clients }) => pagesOf((pageToken) => clients.workflows.listWorkflows({ pageSize, pageToken })),
  },
  {
    name: "a list of transactions, one a page, whose filter matches nothing",
    run: ({ clients }) =>
      pagesOf((pageToken) => clients.commits.listTransactions({ filter: matchesNothing, pageSize: 1, pageToken })),
  },
  {
    name: "a list of verdicts, whose filter matches nothing",
    run: ({ clients }) =>
      answered(pagesOf((pageToken) => clients.predicates.listVerdicts({ filter: matchesNothing, pageSize, pageToken }))),
  },
  {
    name: "a replay of all verdicts",
    run: ({ clients }) => answered(endOf(clients.predicates.replayVerdicts({}))),
  },
  {
    name: "100 denials with questions as wide as they may be",
    run: ({ clients }) => times(100, () => clients.predicates.validateTransition({ check: wideCheck })),
  },
  {
    name: "1,000 moves in one write, and a retry",
    run: (world) => batchOfMoves(world, BatchMode.ALL_OR_NOTHING),
  },
  {
    name: "1,000 moves in one call, and a retry",
    run: (world) => batchOfMoves(world, BatchMode.INDEPENDENT),
  },
  {
    name: "a batch of 1,000 checks, each quadratic",
    run: ({ clients }) =>
      answered(clients.predicates.batchValidateTransitions({ checks: Array.from({ length: 1000 }, () => dearCheck) })),
  },
  {
    name: "1,000 questions on a stream, each quadratic",
    run: (world) => dearQuestions(world, 1000),
  },
  {
    name: "200 streams, 32 at once, each with five quadratic questions",
    run: (world) => times(200, () => dearQuestions(world, 5), 32),
  },
  {
    name: "10 explanations of a quadratic check",
    run: ({ clients }) => times(10, () => clients.predicates.explainTransition({ check: dearCheck }), 10),
  },
  {
    name: "an impact on 300 checks, each quadratic",
    run: ({ clients }) => {
      const candidate = { $case: "deactivateRuleId", value: "pairs" } as const;
      return answered(clients.predicates.assessImpact({ candidate, checks: Array.from({ length: 300 }, () => dearCheck) }));
    },
  },
  {
    name: "20 looks at rules of 4,096 characters, and at all active rules",
    run: async ({ clients }) => {
      const rule = { ruleId: "long", expression: longExpression("workflow") };
      await times(20, () => clients.predicates.checkRule({ rule }));
      await answered(clients.predicates.lintRuleSet({}));
    },
  },
  {
    name: "looks at 900 rules of 30 types each",
    run: (world) => {
      const ruleOf = (at: number) => ({
        ruleId: `types-${at}`,
        expression: `workflow.metadata.a < ${at}.0`,
        workflowTypes: typesAt(at),
      });
      return applied(
        world,
        Array.from({ length: 900 }, (_, at) => ruleOf(at)),
        async () => {
          await world.clients.predicates.checkRule({ rule: ruleOf(900) });
          await world.clients.predicates.lintRuleSet({});
        },
      );
    },
  },
  {
    name: "a look at 400 rules of 64 cases each",
    run: (world) => {
      const cases = (at: number) =>
        Array.from(
          { length: 6 },
          (_, index) => `(workflow.metadata.a${index} == ${at}.0 || workflow.metadata.b${index} == ${at}.0)`,
        );
      const rules = Array.from({ length: 400 }, (_, at) => ({ ruleId: `cases-${at}`, expression: cases(at).join(" && ") }));
      return applied(world, rules, () => world.clients.predicates.lintRuleSet({}));
    },
  },
  {
    name: "1,000 rules at once, each another each time",
    run: (world) => {
      runs += 1;
      const expression = (at: number) => `workflow.metadata.amount < ${at + runs}.0 && size(workflow.metadata.name) > ${runs}`;
      return applied(
        world,
        Array.from({ length: 1000 }, (_, at) => ({ ruleId: `applied-${at}`, expression: expression(at) })),
      );
    },
  },
  {
    name: "20 moves at once, with eight dear rules without data",
    run: ({ clients }) =>
      times(20, () => clients.workflows.transitionWorkflow({ workflowId: "dear", targetState: FAILED, ...by }), 20),
  },
  {
    name: "1 MiB of empty checks",
    run: async ({ raw }) =>
      void (await raw("/concord.predicate.v1.PredicateLogic/BatchValidateTransitions", repeated([0x0a, 0], 1 << 20))),
  },
  {
    name: "5,000 enlist",
    run: ({ clients }) => {
      const enlist = Array.from({ length: 5000 }, (_, index) => ({ participantId: `p-${index}` }));
      return answered(clients.workflows.transitionWorkflow({ workflowId: "dear", targetState: PAUSED, enlist, ...by }));
    },
  },
  {
    name: "100 atomic moves, beside what is held",
    run: async ({ clients }) => {
      runs += 1;
      const run = runs;
      await times(100, async (index) => {
        const workflowId = `atomic-${run}-${index}`;
        await clients.workflows.createWorkflow({ workflowId, ...by });
        await clients.workflows.transitionWorkflow({
          workflowId,
          targetState: ACTIVE,
          enlist: [{ participantId: "stock" }],
          ...by,
        });
      });
    },
  },
  {
    name: "1,000 calls, cancelled at once",
    run: ({ clients }) =>
      times(
        1000,
        async () => {
          const leaving = new AbortController();
          const call = clients.workflows.listWorkflows({ pageSize: 100 }, { signal: leaving.signal });
          setImmediate(() => leaving.abort());
          await call;
        },
        256,
      ),
  },
  {
    name: "20 rules of 4,096 characters",
    run: ({ clients }) => {
      runs += 1;
      const run = runs;
      const expression = longExpression("workflow");
      return times(20, (index) => clients.predicates.createRule({ ruleId: `long-${run}-${index}`, expression, ...by }));
    },
  },
  {
    name: "20 lists with a filter of 4,096 characters",
    run: ({ clients }) => {
      const filter = longExpression("event");
      return times(20, () => clients.workflows.listWorkflowEvents({ filter, pageSize: 1 }));
    },
  },
  {
    name: "500 watches of one workflow, beside 100 events of others",
    run: async ({ clients }) => {
      const leaving = new AbortController();
      const watches = Array.from({ length: 500 }, async () => {
        const { signal } = leaving;
        for await (const _ of clients.workflows.watchWorkflowEvents({ workflowId: "dear" }, { signal }));
      });
      runs += 1;
      const run = runs;
      await times(100, (index) => clients.workflows.createWorkflow({ workflowId: `watched-${run}-${index}`, ...by }), 1);
      leaving.abort();
      await Promise.all(watches.map(answered));
    },
  },
];
