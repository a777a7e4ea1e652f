import { expect, test } from "vitest";
import { type Clients, connect } from "../../src/cli/client.ts";
import { BulkOperationState } from "../../src/gen/concord/workflow/v1/bulk.ts";
import { type Workflow, type WorkflowEvent, WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { createDice } from "../simulation/random.ts";
import { failureOf, temporaryFolder } from "../support/concord.ts";
import { serve } from "../support/process.ts";
import { seed } from "../support/seed.ts";
import { until } from "../support/until.ts";

// All that goes on by itself, at once, in a server that is killed again and again: deadlines, a bulk operation, purges by hand and by policy, and
// a watcher. A failure prints its seed; replay it with SEED=n.
const dice = createDice(seed);

const { ACTIVE, COMPLETED, FAILED, PAUSED } = WorkflowState;
const by = { reason: "a crash test", requestedBy: "e2e" };
const killCount = 5;
const zero = { seconds: 0n, nanos: 0 };

const names = (type: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${type}.${String(index).padStart(3, "0")}`);
/** They have deadlines, and nothing else happens to them. */
const timed = names("timed", 120);
/** The bulk operation acts on them. */
const many = names("many", 250);
/** They end, and are purged by hand; or by the policy of their type. */
const ending = [...names("byhand", 40), ...names("bypolicy", 40)];
/** Of the same types, and they never end. */
const lasting = [...names("byhand.lasts", 10), ...names("bypolicy.lasts", 10)];
const typeOf = (workflowId: string): string => workflowId.slice(0, workflowId.indexOf("."));

/** Until there is an answer, whoever is killed meanwhile. It must be right to ask again. */
const answered = <Answer>(ask: () => Promise<Answer>, what: string): Promise<Answer & {}> =>
  until(() => ask().catch(() => undefined), what);

/** All at once may be more than a busy machine takes. Who is refused for that comes again: nothing was done. */
const taken = (call: () => Promise<unknown>): Promise<boolean> =>
  until(async () => {
    try {
      await call();
      return true;
    } catch (error) {
      if (!String(error).includes("RESOURCE_EXHAUSTED")) throw error;
      return false;
    }
  }, "it is taken");

async function everyPage<Item>(
  read: (pageToken: string) => Promise<{ readonly items: readonly Item[]; readonly nextPageToken: string }>,
): Promise<readonly Item[]> {
  const all: Item[] = [];
  for (let pageToken = ""; ; ) {
    const { items, nextPageToken } = await read(pageToken);
    all.push(...items);
    if (nextPageToken === "") return all;
    pageToken = nextPageToken;
  }
}

const everyWorkflow = ({ workflows }: Clients) =>
  everyPage<Workflow>(async (pageToken) => {
    const { workflows: items, nextPageToken } = await workflows.listWorkflows({ pageSize: 1_000, pageToken });
    return { items, nextPageToken };
  });

const everyEvent = ({ workflows }: Clients, filter = "") =>
  everyPage<WorkflowEvent>(async (pageToken) => {
    const { events: items, nextPageToken } = await workflows.listWorkflowEvents({ pageSize: 1_000, pageToken, filter });
    return { items, nextPageToken };
  });

const counted = (items: readonly (string | undefined)[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const item of items) counts[item ?? ""] = (counts[item ?? ""] ?? 0) + 1;
  return counts;
};

/** Watches all events, life after life of the server, from the last that it has seen; of what is gone it must be told. */
function startWatcher({ workflows }: Clients) {
  const seen = new Map<bigint, string>();
  const gone: (readonly [after: bigint, oldest: bigint])[] = [];
  const stop = new AbortController();
  let cursor = 0n;
  let lives = 0;
  const problems: string[] = [];

  async function watchOnce(): Promise<void> {
    lives += 1;
    const start = { $case: "afterSequence", value: cursor } as const;
    const progressInterval = { seconds: 0n, nanos: 100_000_000 };
    for await (const { body } of workflows.watchWorkflowEvents({ start, progressInterval }, { signal: stop.signal })) {
      if (body === undefined) continue;
      const { sequence } = body.value;
      if (body.$case === "progress" ? sequence < cursor : sequence <= cursor)
        problems.push(`${body.$case} ${sequence} after ${cursor}`);
      if (body.$case === "event") seen.set(sequence, body.value.eventId);
      cursor = sequence;
    }
  }

  async function watchOn(): Promise<void> {
    while (!stop.signal.aborted) {
      const failure = await failureOf(watchOnce()).catch((error: unknown) => {
        if (!stop.signal.aborted) problems.push(String(error));
        return undefined;
      });
      if (failure?.reason !== "REVISION_COMPACTED") continue;
      const oldest = BigInt(failure.metadata["oldest_sequence"] ?? 0);
      if (oldest <= cursor + 1n) problems.push(`${oldest} is the oldest, and it has come to ${cursor}`);
      gone.push([cursor, oldest]);
      cursor = oldest - 1n;
    }
  }

  const ended = watchOn();
  return {
    seen,
    gone,
    problems,
    lives: () => lives,
    cursor: () => cursor,
    stop: async (): Promise<void> => {
      stop.abort();
      await ended;
    },
  };
}

test(`what goes on by itself does so once, over any number of kill -9: SEED=${seed}`, async () => {
  const data = temporaryFolder();
  let server = await serve(data.path);
  const channel = openChannel(server.address);
  const clients = connect(channel);
  const { workflows } = clients;

  const retention = { after: zero };
  await workflows.setWorkflowTypePolicy({ workflowType: "bypolicy", terms: { retention }, ...by });
  const untilMs = 5_000;
  await Promise.all([
    ...timed.map((workflowId) => {
      const ms = dice.between(1, untilMs);
      const deadline = {
        due: { $case: "after", value: { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 } } as const,
        targetState: dice.pick([FAILED, PAUSED, COMPLETED]),
        reason: "too slow",
      };
      return taken(() => workflows.createWorkflow({ workflowId, type: "timed", initialState: ACTIVE, deadline, ...by }));
    }),
    ...[...many, ...ending, ...lasting].map((workflowId) =>
      taken(() => workflows.createWorkflow({ workflowId, type: typeOf(workflowId), ...by })),
    ),
  ]);
  await Promise.all(lasting.map((workflowId) => workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, ...by })));
  const watcher = startWatcher(clients);
  const { operation } = await workflows.startBulkOperation({
    // Also what it has changed lies in it, and could be changed again: nothing but the operation's own memory keeps it from acting twice.
    filter: 'workflow.type == "many"',
    action: { action: { $case: "metadataUpdate", value: { metadataPatch: { touched: true } } } },
    ratePerSecond: 25,
    ...by,
  });
  const bulkOperationId = operation?.bulkOperationId ?? "";

  /** What answers a retry is kept. */
  const remembered = new Set(ending.filter(() => dice.chance(0.1)));
  const purged = new Set<string>();
  async function purge(): Promise<void> {
    const wanted = { filter: 'workflow.type == "byhand"', olderThan: zero, ...by };
    const answer = await workflows.purgeWorkflows(wanted).catch(() => undefined);
    for (const workflowId of answer?.workflowIds ?? []) {
      if (purged.has(workflowId)) watcher.problems.push(`${workflowId} is purged twice`);
      purged.add(workflowId);
    }
  }
  /** Ends them one by one, and purges them: whatever is killed meanwhile, they end, and one that is made already is refused. */
  async function endEach(workflowIds: readonly string[]): Promise<void> {
    for (const workflowId of workflowIds) {
      for (const targetState of [ACTIVE, COMPLETED]) {
        const requestId = remembered.has(workflowId) ? `${workflowId} ${targetState}` : "";
        const move = { workflowId, targetState, requestId, ...by };
        const isMade = (error: unknown): boolean => /INVALID_TRANSITION|FAILED_PRECONDITION|NOT_FOUND/.test(String(error));
        const end = () => workflows.transitionWorkflow(move).then(() => true, isMade);
        await until(end, `${workflowId} is ${targetState}`);
      }
      await purge();
    }
  }

  const readBulk = async () => (await workflows.getBulkOperation({ bulkOperationId })).operation;

  /** What holds at any time, while all goes on. */
  async function expectTruth(): Promise<void> {
    const fired = await everyEvent(clients, 'event.requested_by == "system:deadline"');
    expect(Object.entries(counted(fired.map(({ workflowId }) => workflowId))).filter(([, count]) => count > 1)).toEqual([]);
    const moved = await everyEvent(clients, `event.bulk_operation_id == "${bulkOperationId}"`);
    expect(Object.entries(counted(moved.map(({ workflowId }) => workflowId))).filter(([, count]) => count > 1)).toEqual([]);
    const gone = [...purged];
    const listed = new Map((await everyWorkflow(clients)).map(({ workflowId, state }) => [workflowId, state]));
    expect([...timed, ...many, ...lasting].filter((workflowId) => !listed.has(workflowId))).toEqual([]);
    expect(lasting.map((workflowId) => listed.get(workflowId))).toEqual(lasting.map(() => ACTIVE));
    expect(gone.filter((workflowId) => listed.has(workflowId))).toEqual([]);
    for (const workflowId of ending.filter((each) => !listed.has(each)))
      expect(await failureOf(workflows.getWorkflow({ workflowId }))).toMatchObject({ reason: "WORKFLOW_PURGED" });
    await expectAgreement();
  }

  /** Between two changes, all that counts agrees with what is listed. */
  async function expectAgreement(): Promise<void> {
    const found = await until(async () => {
      const before = await workflows.getSystemStats({});
      const groups = (await workflows.countWorkflows({ groupBy: ["state", "type"] })).groups;
      const total = (await workflows.countWorkflows({ filter: 'workflow.id.contains(".")' })).total;
      const listed = await everyWorkflow(clients);
      const after = await workflows.getSystemStats({});
      const isSame = before.totalEvents === after.totalEvents && before.keptEvents === after.keptEvents;
      return isSame ? { stats: after, groups, total, listed } : undefined;
    }, "nothing changes for a moment");
    const { stats, groups, total, listed } = found;
    expect(stats.totalWorkflows).toBe(BigInt(listed.length));
    expect(total).toBe(stats.totalWorkflows);
    const byState = counted(listed.map(({ state }) => state));
    const counts = stats.workflowsByState.filter(({ count }) => count > 0n);
    expect(Object.fromEntries(counts.map(({ state, count }) => [state, Number(count)]))).toEqual(byState);
    const grouped = Object.fromEntries(groups.map(({ state, type, count }) => [`${state} ${type}`, Number(count)]));
    expect(grouped).toEqual(counted(listed.map(({ state, type }) => `${state} ${type}`)));
    expect(stats.keptEvents).toBe(listed.reduce((sum, { version }) => sum + version, 0n));
  }

  for (let kills = 0; kills < killCount; kills += 1) {
    const share = ending.filter((_, index) => index % killCount === kills);
    const ends = endEach(share);
    // Something of each kind has gone on, and then some.
    const before = await answered(readBulk, "it answers");
    const goal = Math.min(many.length, Number(before.doneCount) + dice.between(1, 25));
    await until(async () => Number((await readBulk())?.doneCount) >= goal, "the operation has gone on");
    await server.kill();
    server = await serve(data.path, { listen: server.address });
    await answered(readBulk, "it is back");
    await expectTruth();
    await ends;
  }

  await until(async () => (await readBulk())?.state === BulkOperationState.COMPLETED, "the operation is complete");
  await until(async () => {
    const { total } = await workflows.countWorkflows({ filter: "has(workflow.deadline)" });
    return total === 0n;
  }, "every deadline is made");
  // When it starts, the policy has its turn.
  await server.kill();
  server = await serve(data.path, { listen: server.address });
  await until(async () => {
    const there = await everyWorkflow(clients).catch(() => []);
    const rest = there.map(({ workflowId }) => workflowId).filter((workflowId) => ending.includes(workflowId));
    return there.length > 0 && rest.every((workflowId) => remembered.has(workflowId));
  }, "all is purged but what answers a retry");
  await expectTruth();

  const fired = await everyEvent(clients, 'event.requested_by == "system:deadline"');
  expect(fired.map(({ workflowId }) => workflowId).sort()).toEqual(timed);
  const moved = await everyEvent(clients, `event.bulk_operation_id == "${bulkOperationId}"`);
  expect(moved.map(({ workflowId }) => workflowId).sort()).toEqual(many);
  expect(await readBulk()).toMatchObject({ doneCount: BigInt(many.length), refusedCount: 0n });
  const results = await everyPage(async (pageToken) => {
    const page = await workflows.listBulkOperationResults({ bulkOperationId, pageSize: 1_000, pageToken });
    return { items: page.results, nextPageToken: page.nextPageToken };
  });
  const sequences = new Map(moved.map(({ workflowId, sequence }) => [workflowId, sequence]));
  expect(results.map(({ workflowId, result }) => [workflowId, result?.value])).toEqual(
    many.map((workflowId) => [workflowId, sequences.get(workflowId)]),
  );

  const { totalEvents } = await workflows.getSystemStats({});
  await until(() => watcher.cursor() >= totalEvents, "the watcher has come to the end");
  await watcher.stop();
  expect(watcher.problems).toEqual([]);
  expect(watcher.lives()).toBeGreaterThan(killCount);
  const isGone = (sequence: bigint): boolean => watcher.gone.some(([after, oldest]) => sequence > after && sequence < oldest);
  const kept = await everyEvent(clients);
  for (const { sequence, eventId } of kept)
    if (watcher.seen.get(sequence) !== eventId) expect([sequence, isGone(sequence)]).toEqual([sequence, true]);
  for (let sequence = 1n; sequence <= totalEvents; sequence += 1n)
    if (!watcher.seen.has(sequence)) expect([sequence, isGone(sequence)]).toEqual([sequence, true]);
  expect(await server.terminate()).toBe(0);
  channel.close();
  data.remove();
});
