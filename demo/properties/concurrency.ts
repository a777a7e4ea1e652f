import { WatchPosition } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { countsOf, nameOf, type Stage, wordOf } from "./stage.ts";

const callerCount = 32;
const workerCount = 8;
const movesPerWorker = 20;

const callers = Array.from({ length: callerCount }, (_, index) => index);

export async function concurrency(stage: Stage): Promise<void> {
  const over = new AbortController();
  const seen: bigint[] = [];
  const watching = watch(stage, seen, over.signal);
  await uniqueness(stage);
  await oneWinner(stage);
  await noLostUpdate(stage);
  await sameRequest(stage);
  await nothingSkipped(stage, seen);
  over.abort();
  await watching;
}

async function uniqueness(stage: Stage): Promise<void> {
  stage.narrator.line(`${callerCount} callers create the same workflow at once.`);
  const answers = await Promise.all(callers.map(() => stage.create("contested")));
  stage.narrator.detail(countsOf(answers));
  const created = answers.filter(({ ok }) => ok).length;
  stage.shows("WorkflowUniqueness", "an id names one workflow", created === 1 ? [] : [`${created} were created`]);
}

async function oneWinner(stage: Stage): Promise<void> {
  stage.narrator.line(`${callerCount} callers have seen version 1 and move it, each if nobody was faster.`);
  const answers = await Promise.all(callers.map(() => stage.move("contested", "ACTIVE", { expectedVersion: 1n })));
  stage.narrator.detail(countsOf(answers));
  const won = answers.filter(({ ok }) => ok).length;
  stage.shows("ConcurrentSafety", "of those who saw the same version, one succeeds", won === 1 ? [] : [`${won} succeeded`]);
}

async function noLostUpdate(stage: Stage): Promise<void> {
  stage.narrator.line(
    `${workerCount} workers pause and resume it, ${movesPerWorker} times each: read, move, read again if somebody was faster.`,
  );
  const before = (await stage.look("contested")).version;
  let raced = 0;
  const work = async (): Promise<void> => {
    for (let made = 0; made < movesPerWorker; ) {
      const { version, state } = await stage.look("contested");
      const to = nameOf(state) === "ACTIVE" ? "PAUSED" : "ACTIVE";
      const answer = await stage.move("contested", to, { expectedVersion: version });
      if (answer.ok) made += 1;
      else if (wordOf(answer) === "VERSION_MISMATCH") raced += 1;
      else throw new Error(wordOf(answer));
    }
  };
  await Promise.all(Array.from({ length: workerCount }, work));
  const made = workerCount * movesPerWorker;
  const added = Number((await stage.look("contested")).version - before);
  stage.narrator.detail(`${made} moves, ${raced} lost races`);
  stage.shows(
    "VersionMonotonicity",
    "no update is lost",
    added === made ? [] : [`${made} moves were acknowledged, ${added} made`],
  );
}

async function sameRequest(stage: Stage): Promise<void> {
  stage.narrator.line(`${callerCount} callers repeat one request, with its id: a program that heard no answer, and tries again.`);
  await stage.create("repeated");
  const answers = await Promise.all(callers.map(() => stage.move("repeated", "ACTIVE", { requestId: "the-same" })));
  stage.narrator.detail(countsOf(answers));
  const sequences = new Set(answers.map((answer) => (answer.ok ? answer.value.event?.sequence : "refused")));
  const { length } = await stage.events("repeated");
  stage.shows("AtMostOncePerRequestId", "it is done once, and all of them hear the same", [
    ...(sequences.size === 1 ? [] : [`${sequences.size} different answers`]),
    ...(length === 2 ? [] : [`${length} events`]),
  ]);
}

async function nothingSkipped(stage: Stage, seen: readonly bigint[]): Promise<void> {
  const wanted = (await stage.events()).map(({ sequence }) => sequence);
  stage.narrator.line(`A watch has run beside all that. ${wanted.length} events were written.`);
  // It ends only with the signal, if it does not get there.
  while (seen.length < wanted.length && !stage.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
  const isSame = seen.join() === wanted.join();
  stage.shows("NoEventSkipped", "it got each event, in order, once", isSame ? [] : [`it got ${seen.join(", ")}`]);
}

async function watch({ clients, signal }: Stage, seen: bigint[], over: AbortSignal): Promise<void> {
  const start = { $case: "position", value: WatchPosition.OLDEST_AVAILABLE } as const;
  const messages = clients.workflows.watchWorkflowEvents({ start }, { signal: AbortSignal.any([signal, over]) });
  try {
    for await (const { body } of messages) if (body?.$case === "event") seen.push(body.value.sequence);
  } catch (error) {
    if (!over.aborted && !signal.aborted) throw error;
  }
}
