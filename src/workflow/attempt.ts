import { assert, unreachable } from "../kernel/assert.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";
import { provedOf } from "../kernel/principal.ts";
import { type RequestKey, wholeKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { Breathe, Turns } from "../kernel/turns.ts";
import type { WriteFailure } from "../kernel/write.ts";
import { atOnce } from "./at-once.ts";
import { type Deadline, isSameDeadline } from "./core/deadline.ts";
import type { PolicyTerms } from "./core/policy.ts";
import { admit, consent, type Stamp } from "./core/step.ts";
import type { Consent, Move, Workflow, WorkflowEvent } from "./core/types.ts";
import type { ItemsRefused, ManagerError, MovesError } from "./errors.ts";
import { judgedAtOnceMax, patientRaceCountMax } from "./limits.ts";
import type {
  Asker,
  PredicateClient,
  PredicateFailure,
  RememberedAnswer,
  TransactionFacts,
  WorkflowConflict,
  WorkflowStore,
} from "./ports.ts";
import type { Rivals } from "./rivals.ts";

/** A lost race of several moves, or of a policy, is run again this often before the caller hears of it. */
export const raceCountMax = 16;

/** A workflow after a change, and the event that records it. */
export type Answer = { readonly workflow: Workflow; readonly event: WorkflowEvent };

export type MoveCommand = {
  readonly workflowId: WorkflowId;
  readonly expectedVersion: number | undefined;
  /** RecoverWorkflow: refuse a workflow that is not FAILED. */
  readonly mustRecover: boolean;
  /** The move of a deadline: refuse a workflow that has another one by now, or none. It is tried once. */
  readonly mustHave?: Deadline;
  readonly context: JsonObject;
  readonly move: Move;
};

/** Moves that are made together, or not at all; none of a workflow that another one is of. Of one, it is the move by itself. */
export type Moves = {
  readonly commands: readonly MoveCommand[];
  /** Of all of them: the commands have item keys then. Of one by itself it is its own. */
  readonly request: RequestKey | undefined;
  readonly reason: string;
  readonly requestedBy: string;
};

export function movesOf(command: MoveCommand): Moves {
  const { request, reason, requestedBy } = command.move;
  return { commands: [command], request, reason, requestedBy };
}

/** What several are about together has no name. */
export const subjectOf = ({ commands: [first, ...others] }: Moves): WorkflowId | undefined =>
  others.length === 0 ? first?.workflowId : undefined;

/** Time, identity and policies come from outside, so that a test can decide them. */
export type Environment = {
  nowMs(): TimeMs;
  newId(): string;
  /** What holds for workflows of this type. Known before it is needed: a change of a workflow asks without waiting. */
  termsOf(workflowType: string): PolicyTerms;
};

export type Attempts = {
  readonly store: WorkflowStore;
  readonly predicates: PredicateClient;
  readonly environment: Environment;
  readonly turns: Turns;
  /** Who else changes a workflow now. Without it, a few lost races are all that there is time for. */
  readonly rivals?: Rivals;
};

/** A workflow for which a move is allowed. */
export type Judged = { readonly workflow: Workflow; readonly consent: Consent };

/** All checks of a move, in the agreed order, on the workflow as it is now. No lock is held while the engine is asked. */
export async function judge(
  { store, predicates, environment }: Attempts,
  command: MoveCommand,
  transaction: TransactionFacts | undefined,
  asker: Asker,
): Promise<Result<Judged, ManagerError>> {
  const { workflowId, expectedVersion, mustRecover, mustHave, context } = command;
  const { targetState, reason, requestedBy } = command.move;
  const found = await store.getWithLastEvent(workflowId);
  if (found === undefined) return err(await missing(store, workflowId, asker));
  const barred = barredFrom(found.workflow, asker);
  if (barred !== undefined) return err(barred);
  const admitted = admit(found.workflow, command);
  if (!admitted.ok) return admitted;
  const workflow = admitted.value;
  if (mustHave !== undefined && !isSameDeadline(workflow.deadline, mustHave)) {
    return err({ type: "version-mismatch", workflowId, expectedVersion, currentVersion: workflow.version });
  }
  const { lastEvent } = found;
  const asked = { targetState, reason, requestedBy, context, ...provedOf(command.move) };
  const check = { ...asked, workflow, lastEvent, transaction, atMs: environment.nowMs() };
  const verdict = await predicates.check(check, asker);
  if (!verdict.ok) return err(unjudged(verdict.error, workflowId));
  // As of now: to be asked may have taken a while.
  const consented = consent(workflow, { targetState, mustRecover }, verdict.value, {
    nowMs: environment.nowMs(),
    terms: environment.termsOf(workflow.type),
  });
  return consented.ok ? ok({ workflow, consent: consented.value }) : consented;
}

/** Why there is no such workflow. */
export async function missing(store: WorkflowStore, workflowId: WorkflowId, { guard }: Guarded): Promise<ManagerError> {
  const purgedAtMs = guard === undefined || guard.maySeeGone(workflowId) ? await store.purgedAtMs(workflowId) : undefined;
  return purgedAtMs === undefined
    ? { type: "workflow-not-found", workflowId }
    : { type: "workflow-purged", workflowId, purgedAtMs };
}

type Guarded = Pick<Asker, "guard">;

/** Why a workflow that is there is not for whoever asks. */
export function barredFrom(workflow: Pick<Workflow, "id" | "type">, { guard }: Guarded): ManagerError | undefined {
  const { id: workflowId } = workflow;
  switch (guard?.of(workflow)) {
    case "hidden":
      return { type: "workflow-not-found", workflowId };
    case "denied":
      return { type: "permission-denied", workflowId };
    default:
      return undefined;
  }
}

/** An engine that does not answer has not consented. */
export function unjudged(failure: PredicateFailure, workflowId: WorkflowId): ManagerError {
  switch (failure.type) {
    case "overloaded":
      return { ...failure, type: "predicate-logic-overloaded", workflowId };
    case "refused":
      return { ...failure, type: "predicate-logic-refused", workflowId };
    case "unavailable":
      return { ...failure, type: "predicate-logic-unavailable", workflowId };
    default:
      return unreachable(failure);
  }
}

/** Judges them all, in the end by one revision of the rules: those that an older one has judged are judged again. */
export async function judgeAll(
  attempts: Attempts,
  { commands }: Pick<Moves, "commands">,
  transaction: TransactionFacts | undefined,
  asker: Asker,
): Promise<Result<readonly Judged[], ItemsRefused>> {
  const breathe = attempts.turns();
  const judged: (Result<Judged, ManagerError> | undefined)[] = commands.map(() => undefined);
  let left = commands.map((command, index) => ({ command, index }));
  for (let race = 0; left.length > 0 && race < raceCountMax; race += 1) {
    await atOnce(left, judgedAtOnceMax, breathe, async ({ command, index }) => {
      const one = await judge(attempts, command, transaction, asker);
      judged[index] = one.ok && commands.length > 1 ? ok({ ...one.value, workflow: withoutMetadata(one.value.workflow) }) : one;
    });
    const revisions = judged.map(revisionOf);
    const newest = revisions.reduce<number>((most, each = 0) => Math.max(most, each), 0);
    left = commands.flatMap((command, index) => ((revisions[index] ?? newest) < newest ? { command, index } : []));
  }
  for (const { command, index } of left) {
    const cause = "the rules change faster than all moves of the batch are judged";
    judged[index] = err({ type: "predicate-logic-unavailable", workflowId: command.workflowId, cause });
  }
  const refused = judged.map((each) => (each?.ok === false ? each.error : undefined));
  if (refused.some((error) => error !== undefined)) return err({ type: "items-refused", errors: refused });
  return ok(judged.flatMap((each) => (each?.ok ? each.value : [])));
}

function revisionOf(judged: Result<Judged, ManagerError> | undefined): number | undefined {
  if (judged?.ok) return judged.value.consent.ruleSetRevision;
  return judged?.error.type === "rule-denied" ? judged.error.ruleSetRevision : undefined;
}

/** A thousand workflows may have 64 MiB of it. Only the engine needs it. */
export const withoutMetadata = (workflow: Workflow): Workflow => ({ ...workflow, metadata: {} });

type Writing<Subject, T, Refusal> = {
  /** Of one workflow. */
  readonly workflowId: WorkflowId | undefined;
  /** Of one workflow, whatever its version: it takes its turn among these, and goes on as long as its caller waits. */
  readonly rivals?: Rivals | undefined;
  /** Who asks looks by itself at what there is after a lost race. */
  readonly isOnce?: boolean;
  readonly judgeNow: () => Promise<Result<Subject, Refusal>>;
  readonly write: (judged: Subject) => Promise<Result<T, WriteFailure<WorkflowConflict>>>;
  /** What is told if somebody else has changed a workflow each time. */
  readonly whenLost: (to: WorkflowId) => Promise<Refusal>;
};

/** Judges and writes, again and again until the write still meets what was judged. Writes nothing once nobody waits. */
export async function judgedAndWritten<Subject, T, Refusal>(
  { signal }: Asker,
  { workflowId, rivals, isOnce = false, judgeNow, write, whenLost }: Writing<Subject, T, Refusal>,
): Promise<Result<T, Refusal | ManagerError | { readonly type: "request-exists" }>> {
  const pending = () => err({ type: "outcome-pending" as const, workflowId, transactionId: undefined });
  /** Once. */
  async function attempt(): Promise<Lost | Result<T, Refusal | ManagerError | { readonly type: "request-exists" }>> {
    const judged = await judgeNow();
    if (!judged.ok) return judged;
    if (signal.aborted) return pending();
    const written = await write(judged.value);
    if (written.ok) return written;
    if (written.error.type === "storage-unavailable") return err(written.error);
    const { conflict } = written.error;
    if (conflict.type === "request-exists") return err({ type: "request-exists" });
    assert(conflict.type === "stale", "what is judged is there");
    return { lostTo: conflict.workflowId };
  }
  const age = rivals?.age() ?? 0;
  const isPatient = rivals !== undefined && workflowId !== undefined;
  const patience = isPatient ? patientRaceCountMax : raceCountMax;
  const most = isOnce ? 1 : patience;
  for (let race = 1; ; race += 1) {
    const mine = { age, hasLost: race > 1 };
    const attempted = isPatient ? await rivals.inTurn(workflowId, mine, signal, attempt) : await attempt();
    if (attempted === undefined) return pending();
    if ("ok" in attempted) return attempted;
    if (race === most) return err(await whenLost(attempted.lostTo));
  }
}

type Lost = { readonly lostTo: WorkflowId };

/** The rivals of a change, if it is of one workflow and expects no version: who expects one has lost with the first race. */
export const rivalsOf = (
  { rivals }: Pick<Attempts, "rivals">,
  command: Pick<MoveCommand, "expectedVersion"> | undefined,
): Rivals | undefined => (command !== undefined && command.expectedVersion === undefined ? rivals : undefined);

/** The same of moves, all of them together. */
export function judgeAndWrite<T>(
  attempts: Attempts,
  moves: Moves,
  transaction: TransactionFacts | undefined,
  asker: Asker,
  write: Writing<readonly Judged[], T, ItemsRefused>["write"],
): Promise<Result<T, MovesError | { readonly type: "request-exists" }>> {
  return judgedAndWritten(asker, {
    workflowId: subjectOf(moves),
    rivals: rivalsOf(attempts, moves.commands.length === 1 ? moves.commands[0] : undefined),
    isOnce: moves.commands.some(({ mustHave }) => mustHave !== undefined),
    judgeNow: () => judgeAll(attempts, moves, transaction, asker),
    write,
    whenLost: async (to) => {
      const lost = moves.commands.map((command) =>
        command.workflowId === to ? changedAgain(attempts, command, asker) : undefined,
      );
      return { type: "items-refused", errors: await Promise.all(lost) };
    },
  });
}

export async function changedAgain(
  { store }: Pick<Attempts, "store">,
  { workflowId, expectedVersion }: Pick<MoveCommand, "workflowId" | "expectedVersion">,
  asker: Guarded,
): Promise<ManagerError> {
  const current = await store.get(workflowId);
  return current === undefined
    ? missing(store, workflowId, asker)
    : { type: "version-mismatch", workflowId, expectedVersion, currentVersion: current.version };
}

/** The first answer to a request that was answered before; a misuse of its id is an answer too, of an item also that of its whole request. */
export async function earlierAnswer(
  store: WorkflowStore,
  request: RequestKey | undefined,
): Promise<Result<Answer, ManagerError> | undefined> {
  if (request === undefined) return undefined;
  const stored = await store.answer(request.id);
  const whole = stored === undefined ? wholeKey(request) : undefined;
  if (whole !== undefined) {
    const known = await store.answer(whole.id);
    return known && known.digest !== whole.digest ? err({ type: "request-id-reused", requestId: whole.id }) : undefined;
  }
  if (stored === undefined) return undefined;
  // A digest tells methods apart, so the other condition is never the only one.
  if (stored.digest !== request.digest || !("workflow" in stored)) {
    return err({ type: "request-id-reused", requestId: request.id });
  }
  return ok({ workflow: stored.workflow, event: stored.event });
}

/** The same of moves that were made together. Of some of them alone there is none: the others' have been forgotten, as they may be. */
export async function earlierAnswers(
  { store, turns }: Pick<Attempts, "store" | "turns">,
  { commands, request }: Moves,
): Promise<Result<readonly Answer[], ManagerError> | undefined> {
  const whole = await earlierAnswer(store, request);
  if (whole === undefined || !whole.ok) return whole;
  const [first] = commands;
  if (commands.length === 1 && first?.move.request === request) return ok([whole.value]);
  const breathe = turns();
  const answers: Answer[] = [];
  for (const { move } of commands) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const answer = await earlierAnswer(store, move.request);
    if (answer === undefined || !answer.ok) return answer;
    answers.push({ ...answer.value, workflow: withoutMetadata(answer.value.workflow) });
  }
  return ok(answers);
}

export function stampOf(environment: Environment, workflowType: string): Stamp {
  return { nowMs: environment.nowMs(), eventId: environment.newId(), terms: environment.termsOf(workflowType) };
}

/**
 * What a batch remembers of the requests of its changes, in their order; nothing of those without an id. Of an item also that there was a
 * request of that id, so that another one is known as a misuse.
 */
export function rememberAnswers(
  requests: readonly (RequestKey | undefined)[],
  environment: Environment,
): { readonly answers?: readonly RememberedAnswer[] } {
  const atMs = environment.nowMs();
  const answers = requests.flatMap((request, index) =>
    request === undefined ? [] : { ...request, atMs, put: index, event: index },
  );
  const [first] = answers;
  if (first === undefined) return {};
  const whole = wholeKey(first);
  return { answers: whole === undefined ? answers : [{ ...first, ...whole, shared: true }, ...answers] };
}

/** Made of each, in slices. */
export async function inSlices<Item, Made>(
  items: readonly Item[],
  breathe: Breathe,
  make: (item: Item) => Made,
): Promise<Made[]> {
  const made: Made[] = [];
  for (const item of items) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    made.push(make(item));
  }
  return made;
}
