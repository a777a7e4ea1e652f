import { ClientError, Status } from "nice-grpc";
import type { Clients } from "../../src/cli/client.ts";
import type { WorkflowEvent } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { clientFailure } from "../../src/rpc/errors.ts";

/** What one watch was told of all events, over all that has broken it. */
export type Watcher = {
  readonly told: ReadonlyMap<number, string>;
  /** Up to here it was told everything. */
  readonly upTo: number;
  /** How often it has gone on where it was. */
  readonly resumed: number;
  readonly problems: readonly string[];
  readonly stop: () => Promise<void>;
};

/** What an event says. The log must say the same of it. */
export const lineOf = ({ workflowId, version, type, toState, eventId }: WorkflowEvent): string =>
  `${workflowId} ${version} ${type} ${toState} ${eventId}`;

/** Watches all events from the beginning on. Whenever the stream breaks it goes on behind what it was told last. */
export function watchAll({ workflows }: Clients): Watcher {
  const told = new Map<number, string>();
  const problems: string[] = [];
  const leaving = new AbortController();
  let upTo = 0;
  let begun = 0;

  /** Until the stream ends. */
  async function watchOnce(): Promise<void> {
    const request = {
      start: { $case: "afterSequence", value: BigInt(upTo) } as const,
      progressInterval: { seconds: 0n, nanos: 200_000_000 },
    };
    let isOpen = false;
    for await (const { body } of workflows.watchWorkflowEvents(request, { signal: leaving.signal })) {
      if (!isOpen) begun += 1;
      isOpen = true;
      if (body?.$case === "event") {
        const sequence = Number(body.value.sequence);
        if (sequence <= upTo) problems.push(`${sequence} is told when all up to ${upTo} was said to be told`);
        told.set(sequence, lineOf(body.value));
        upTo = sequence;
      } else if (body !== undefined) {
        const sequence = Number(body.value.sequence);
        if (sequence < upTo) problems.push(`progress goes back from ${upTo} to ${sequence}`);
        upTo = Math.max(upTo, sequence);
      }
    }
  }

  async function watch(): Promise<void> {
    while (!leaving.signal.aborted) {
      await watchOnce().catch((error: unknown) => {
        if (leaving.signal.aborted) return;
        if (!(error instanceof ClientError)) throw error;
        const { reason, metadata, code } = clientFailure(error);
        // What was purged before it was told cannot be told any more.
        if (reason === "REVISION_COMPACTED") upTo = Math.max(upTo, Number(metadata["oldest_sequence"]) - 1);
        else if (code !== Status.UNAVAILABLE && code !== Status.CANCELLED && code !== Status.UNKNOWN && code !== Status.INTERNAL)
          problems.push(`the watch ended with ${code} ${reason ?? ""}: ${error.details}`);
      });
      await new Promise((resolve) => void setTimeout(resolve, 20));
    }
  }

  const ended = watch();
  return {
    told,
    get upTo() {
      return upTo;
    },
    get resumed() {
      return begun - 1;
    },
    problems,
    async stop() {
      leaving.abort();
      await ended;
    },
  };
}

/** What the log has kept, by sequence. */
export async function readLog({ workflows }: Clients): Promise<ReadonlyMap<number, string>> {
  const kept = new Map<number, string>();
  for (let pageToken = ""; ; ) {
    const { events, nextPageToken } = await workflows.listWorkflowEvents({ pageSize: 1_000, pageToken }, { deadline: 30_000 });
    for (const event of events) kept.set(Number(event.sequence), lineOf(event));
    pageToken = nextPageToken;
    if (pageToken === "") return kept;
  }
}

/**
 * Where a watch and the log disagree. Each event that is kept was told, once, in its order, as it is kept; and what was told is kept, unless
 * its workflow was purged: so nothing was told that a kill could still undo.
 */
export async function disagreements(
  { told, problems }: Pick<Watcher, "told" | "problems">,
  log: ReadonlyMap<number, string>,
  isPurged: (workflowId: string) => Promise<boolean>,
): Promise<readonly string[]> {
  const untold = [...log].flatMap(([sequence, line]) => {
    const heard = told.get(sequence);
    if (heard === undefined) return [`${sequence} ${line}: was never told`];
    return heard === line ? [] : [`${sequence} ${line}: was told as ${heard}`];
  });
  const undone: string[] = [];
  for (const [sequence, line] of told) {
    const [workflowId = ""] = line.split(" ");
    if (!log.has(sequence) && !(await isPurged(workflowId))) undone.push(`${sequence} ${line}: was told, and is not kept`);
  }
  return [...problems, ...untold, ...undone];
}
