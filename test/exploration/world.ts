import { begin, newTransaction, stepCoordinator, takeOver, whyKept } from "../../src/commit/core/coordinator.ts";
import type { CoordinatorEffect, CoordinatorInput, Step } from "../../src/commit/core/coordinator-step.ts";
import type { Decision, DecisionAck, Inquiry, Prepare, Vote } from "../../src/commit/core/messages.ts";
import { isInDoubt, loadTransaction, stepParticipant } from "../../src/commit/core/participant.ts";
import type {
  ParticipantEffect,
  ParticipantInput,
  ParticipantRecord,
  ParticipantTransaction,
} from "../../src/commit/core/participant-step.ts";
import { isFinished, isOnePhase, type Outcome, type Transaction, type VoteValue } from "../../src/commit/core/types.ts";
import type { ParticipantId, RequestId, TransactionId } from "../../src/kernel/ids.ts";
import { answerRetentionMs } from "../../src/kernel/limits.ts";
import { newCoordinator, once, type SpecCoordinator, type SpecPart, type SpecState, specKey } from "./spec.ts";

// Every step that the production cores can take in a small world. A step hands one input to a core, or carries out one effect, so a
// crash can fall between any two. Beside it stands what the state is in the terms of specs/TwoPhaseCommit.tla.

/** As in the specs, except for `also`. No message is lost other than by not being delivered. */
export type Constants = {
  readonly participants: readonly string[];
  readonly maxEpoch: number;
  readonly maxPartCrash: number;
  readonly may: readonly ("no" | "readonly" | "timeout" | "clientAbort" | "losePromise" | "stranger")[];
  /**
   * What the spec has no notion of. disconnect: the coordinator notices that a session is gone. resolve: an operator resolves and
   * forgets; then there is no state of the spec any more.
   */
  readonly also?: readonly ("disconnect" | "resolve")[];
};

/** Without a forced write the decision is no effect of the core. In the spec it is a step. */
type Effect = CoordinatorEffect | { readonly type: "commit-read-only" };

type Coordinator = {
  readonly status: "off" | "alive" | "dead";
  /** What it runs. Undefined: it answers from the log. */
  readonly transaction: Transaction | undefined;
  readonly effects: readonly Effect[];
  /** Records that are written, and not durable yet. */
  readonly writes: readonly Transaction[];
};

type Participant = {
  readonly record: ParticipantRecord | undefined;
  readonly transaction: ParticipantTransaction | undefined;
  readonly effects: readonly ParticipantEffect[];
  readonly up: boolean;
  /** What the resource has made up its mind to, whether or not it has been asked: a crash need not change that. */
  readonly mind: "refused" | "readonly" | undefined;
  /** The resource does not hold what it has promised. */
  readonly gone: boolean;
};

type Down = Prepare | Decision;
type Up = Vote | DecisionAck | Inquiry;

export type State = {
  readonly log: Transaction | undefined;
  readonly coordinators: readonly Coordinator[];
  readonly participants: readonly Participant[];
  /** By what they say; a message stays here when it is received. */
  readonly network: Readonly<
    Record<string, { readonly to: number; readonly down: Down } | { readonly from: number; readonly up: Up }>
  >;
  readonly spec: SpecState;
  /** An operator has resolved or forgotten it. From then on `spec` is no state of the spec. */
  readonly operated: boolean;
};

export type Successor = {
  readonly name: string;
  readonly state: State;
  /** Of the spec. None: it changes nothing there. */
  readonly action?: string | undefined;
};

const transactionId = "t" as TransactionId;
const moment = { nowMs: 0, random: 0 };
const coordinatorId = "c";

export function createWorld(constants: Constants) {
  const { participants: names, maxEpoch, maxPartCrash, may, also = [] } = constants;
  const ids = names as readonly ParticipantId[];
  const indexOf = (id: string): number => names.indexOf(id);
  const allows = (whim: Constants["may"][number]): boolean => may.includes(whim);
  const onePhase = names.length === 1;

  const initial: State = {
    log: undefined,
    coordinators: Array.from({ length: maxEpoch }, () => ({ status: "off", transaction: undefined, effects: [], writes: [] })),
    participants: names.map(() => ({
      record: undefined,
      transaction: undefined,
      effects: [],
      up: true,
      mind: undefined,
      gone: false,
    })),
    network: {},
    spec: {
      log: { rec: "none", epoch: 0, voters: [], lost: [] },
      fence: 0,
      coord: Array.from({ length: maxEpoch }, () => newCoordinator("off")),
      part: names.map(() => "working"),
      up: names,
      net: [],
      client: "waiting",
      crashes: 0,
      taken: [],
    },
    operated: false,
  };

  // ---- Changes of a state.

  const at = <Item>(items: readonly Item[], index: number, item: Item): Item[] => items.with(index, item);

  const withSpec = (state: State, change: Partial<SpecState>): State => ({ ...state, spec: { ...state.spec, ...change } });

  const withCoordinator = (state: State, epoch: number, change: Partial<Coordinator>): State => ({
    ...state,
    coordinators: at(state.coordinators, epoch - 1, { ...(state.coordinators[epoch - 1] as Coordinator), ...change }),
  });

  const specOf = (state: State, epoch: number): SpecCoordinator => state.spec.coord[epoch - 1] as SpecCoordinator;

  const withSpecCoordinator = (state: State, epoch: number, change: Partial<SpecCoordinator>): State =>
    withSpec(state, { coord: at(state.spec.coord, epoch - 1, { ...specOf(state, epoch), ...change }) });

  const withParticipant = (state: State, index: number, change: Partial<Participant>): State => ({
    ...state,
    participants: at(state.participants, index, { ...(state.participants[index] as Participant), ...change }),
  });

  const withPart = (state: State, index: number, part: SpecPart): State =>
    state.spec.part[index] === part ? state : withSpec(state, { part: at(state.spec.part, index, part) });

  const union = (items: readonly string[], item: string): readonly string[] =>
    items.includes(item) ? items : [...items, item].sort();

  const without = (items: readonly string[], item: string): readonly string[] => items.filter((each) => each !== item);

  const owed = (state: State, message: string): State =>
    state.spec.net.includes(message) ? state : withSpec(state, { net: union(state.spec.net, message) });

  const send = (state: State, key: string, message: State["network"][string]): State =>
    state.network[key] ? state : { ...state, network: { ...state.network, [key]: message } };

  const die = (state: State, epoch: number): State => {
    const dead = withCoordinator(state, epoch, { status: "dead", transaction: undefined, effects: [], writes: [] });
    return withSpecCoordinator(dead, epoch, newCoordinator("dead"));
  };

  // ---- The coordinator.

  /** What counts or is for people makes no difference to what a core does next. */
  const plain = (transaction: Transaction): Transaction => ({
    ...transaction,
    abortReason: transaction.abortReason && "x",
    parts: transaction.parts.map((part) => ({
      ...part,
      voteReason: "",
      preparesSent: Math.min(1, part.preparesSent),
      decisionsSent: 0,
      lost: part.lost && { reason: "", atMs: 0 },
    })),
  });

  /** Those who voted so. */
  const namesOf = ({ parts }: Transaction, ...votes: readonly (VoteValue | undefined)[]): readonly string[] =>
    parts.filter(({ vote }) => votes.includes(vote)).map(({ participantId }) => participantId);

  const matters = (effect: Effect): boolean =>
    effect.type === "persist" ||
    effect.type === "record" ||
    effect.type === "send" ||
    effect.type === "commit-read-only" ||
    (effect.type === "reply" && effect.answer === "decided");

  function afterStep(state: State, epoch: number, before: Transaction | undefined, step: Step): State {
    const effects: readonly Effect[] = step.effects.filter(matters);
    const { transaction } = step;
    const decidedNow = before !== undefined && before.outcome === undefined && transaction.outcome === "committed";
    const forced = effects.some(({ type }) => type === "persist");
    const first: readonly Effect[] = decidedNow && !forced && !isOnePhase(transaction) ? [{ type: "commit-read-only" }] : [];
    return withCoordinator(state, epoch, { transaction: plain(transaction), effects: [...first, ...effects] });
  }

  const actionsOf: Readonly<Partial<Record<CoordinatorInput["type"], string>>> = {
    vote: "RecvVote",
    ack: "RecvAck",
    "idle-timeout": "TimeoutAbort",
    "wait-timeout": "TimeoutAbort",
    "prepare-timeout": "TimeoutAbort",
    "client-abort": "ClientAbort",
    abort: "ClientAbort",
  };

  /** Undefined: nothing happens. */
  function input(state: State, epoch: number, given: CoordinatorInput): State | undefined {
    const before = state.coordinators[epoch - 1]?.transaction as Transaction;
    const step = stepCoordinator(before, given);
    if (step.transaction === before && !step.effects.some(matters)) return undefined;
    const next = afterStep(state, epoch, before, step);
    const { outcome } = step.transaction;
    const { acks, lost } = specOf(state, epoch);
    if (step.transaction.resolution) return next;
    if (before.outcome !== undefined) {
      const acked = given.type === "ack" && given.outcome === "committed" && before.phase === "COMMITTING";
      return acked
        ? withSpecCoordinator(next, epoch, { acks: union(acks, given.participantId), lost: without(lost, given.participantId) })
        : next;
    }
    if (given.type === "ack" && outcome === "committed") {
      return withSpecCoordinator(next, epoch, { phase: "committing", yes: names, ro: [], acks: names, lost: [] });
    }
    const ended = outcome === "aborted" ? withSpecCoordinator(next, epoch, { phase: "aborting" }) : next;
    if (given.type !== "vote" || onePhase) return ended;
    const { transaction } = step;
    return withSpecCoordinator(ended, epoch, {
      yes: namesOf(transaction, "commit"),
      ro: namesOf(transaction, "read-only", "abort"),
    });
  }

  function carryOut(state: State, epoch: number): readonly Successor[] {
    const actor = state.coordinators[epoch - 1] as Coordinator;
    const [effect, ...effects] = actor.effects as readonly [Effect, ...Effect[]];
    const rest = withCoordinator(state, epoch, { effects });
    const name = `c${epoch} ${effect.type}`;
    switch (effect.type) {
      case "persist": {
        const { transaction } = effect;
        // The log keeps the order.
        if (actor.writes.length > 0) return [];
        const commit = transaction.outcome === "committed";
        const { lost } = specOf(state, epoch);
        const newlyLost = transaction.parts.find((part) => part.lost && !lost.includes(part.participantId));
        const action = newlyLost ? "RecvLost" : commit ? "ForceCommit" : "ForceDelegate";
        if (state.spec.fence !== epoch) return [{ name: `${name}: refused`, state: die(state, epoch), action }];
        if (transaction.resolution) return [{ name, state: { ...rest, log: plain(transaction), operated: true } }];
        if (newlyLost) {
          const { participantId } = newlyLost;
          const { log } = state.spec;
          const noted = withSpec(
            { ...rest, log: plain(transaction) },
            { log: { ...log, epoch, lost: union(log.lost, participantId) } },
          );
          return [{ name, state: withSpecCoordinator(noted, epoch, { lost: union(lost, participantId) }), action }];
        }
        const logged = withSpec(
          { ...rest, log: plain(transaction) },
          { log: { lost: [], rec: commit ? "commit" : "delegated", epoch, voters: namesOf(transaction, "commit") } },
        );
        return [{ name, state: withSpecCoordinator(logged, epoch, { phase: commit ? "committing" : "preparing" }), action }];
      }
      case "commit-read-only":
        return [{ name, state: withSpecCoordinator(rest, epoch, { phase: "committing" }), action: "CommitReadOnly" }];
      case "record":
        return [{ name, state: withCoordinator(rest, epoch, { writes: [...actor.writes, plain(effect.transaction)] }) }];
      case "reply": {
        const { outcome } = actor.transaction as Transaction;
        return [
          { name, state: tell(rest, outcome as Outcome), action: "AckClient" },
          // The client has left, and asks later.
          { name: `${name}: lost`, state: rest },
        ];
      }
      case "send":
        return [
          sendDown(rest, epoch, effect.participantId, effect.message),
          // The session is gone, and nobody has noticed yet.
          { name: `${name} to ${effect.participantId}: lost`, state: rest },
        ];
      default:
        throw new Error(`not an effect that matters: ${effect.type}`);
    }
  }

  /** Nobody waits for it, so it becomes durable at any time, or never. */
  function endWrite(state: State, epoch: number): Successor {
    const { writes } = state.coordinators[epoch - 1] as Coordinator;
    const [transaction, ...others] = writes as readonly [Transaction, ...Transaction[]];
    const name = `c${epoch} has recorded ${transaction.phase}`;
    if (state.spec.fence !== epoch) return { name: `${name}: refused`, state: die(state, epoch), action: "CoordCrash" };
    const rest = withCoordinator({ ...state, log: transaction }, epoch, { writes: others });
    if (transaction.resolution) {
      return { name, state: isFinished(transaction) ? withCoordinator(rest, epoch, { transaction: undefined }) : rest };
    }
    if (transaction.phase === "COMPLETED") return { name, ...complete(rest, epoch, transaction) };
    const voters = namesOf(transaction, "commit", undefined);
    return { name, state: withSpec(rest, { log: { rec: "abort", epoch, voters, lost: [] } }), action: "Note" };
  }

  const tell = (state: State, outcome: Outcome): State =>
    state.spec.client === "waiting" ? withSpec(state, { client: outcome }) : state;

  /**
   * The run is over. What is left in the log is history. The spec has none, so it is dropped as soon as the spec may forget: when the
   * client knows. The history of an abort says no more than no record.
   */
  function complete(state: State, epoch: number, transaction: Transaction): Omit<Successor, "name"> {
    const { log, client } = state.spec;
    const over = withCoordinator(state, epoch, { transaction: undefined, effects: [] });
    if (transaction.outcome === "aborted" && log.rec !== "delegated") return { state: { ...over, log: undefined } };
    if (client !== "waiting") return { state: purge(over, epoch), action: "Forget" };
    if (log.rec !== "none") return { state: over };
    return { state: withSpec(over, { log: { rec: "commit", epoch, voters: [], lost: [] } }), action: "Note" };
  }

  const purge = (state: State, epoch: number): State =>
    withSpecCoordinator(withSpec({ ...state, log: undefined }, { log: { rec: "none", epoch: 0, voters: [], lost: [] } }), epoch, {
      phase: "completed",
    });

  function sendDown(
    state: State,
    epoch: number,
    participantId: ParticipantId,
    message: Extract<CoordinatorEffect, { type: "send" }>["message"],
  ): Successor {
    const to = indexOf(participantId);
    const prepares = message.type === "prepare";
    const kind = prepares
      ? message.onePhase
        ? "prepareOnePhase"
        : "prepare"
      : message.outcome === "committed"
        ? "commit"
        : "abort";
    const resolved = state.coordinators[epoch - 1]?.transaction?.resolution !== undefined;
    const down: Down = prepares
      ? {
          type: "prepare",
          transactionId,
          attempt: 1,
          payload: message.payload ?? new Uint8Array(),
          // After a resolution the time to vote is over.
          voteWithinMs: resolved ? 0 : 1,
          onePhase: message.onePhase,
          coordinatorEpoch: message.coordinatorEpoch,
        }
      : { ...message, inReply: false };
    const key = `${kind} ${participantId} ${message.coordinatorEpoch}${prepares && resolved ? " too late" : ""}`;
    const sent = send(owed(state, `${kind} ${participantId}`), key, { to, down });
    const name = `c${epoch} sends ${kind} to ${participantId}`;
    if (prepares) return { name, state: withSpecCoordinator(sent, epoch, { phase: "preparing" }), action: "SendPrepare" };
    return { name, state: sent, action: message.inReply ? "AnswerInquiry" : "SendDecision" };
  }

  function inputsOf(state: State, epoch: number): readonly Successor[] {
    const { transaction } = state.coordinators[epoch - 1] as Coordinator;
    // What was recorded with a lost promise has more to read than the spec's record.
    const heard = transaction?.outcome === "committed" && readHistory(state, epoch, transaction);
    if (heard) return [heard];
    return transaction ? inputsOfRun(state, epoch, transaction) : inputsOfNone(state, epoch);
  }

  function inputsOfRun(state: State, epoch: number, transaction: Transaction): readonly Successor[] {
    const found: Successor[] = [];
    const give = (name: string, given: CoordinatorInput): void => {
      const next = input(state, epoch, given);
      if (next) found.push({ name: `c${epoch} ${name}`, state: next, action: actionsOf[given.type] });
    };
    for (const message of Object.values(state.network)) {
      if (!("up" in message)) continue;
      const { up } = message;
      const participantId = ids[message.from] as ParticipantId;
      if (up.type === "vote") {
        give(`receives ${up.value} of ${participantId}`, { type: "vote", participantId, value: up.value, reason: "", ...moment });
      } else if (up.type === "decision-ack") {
        const { outcome } = up;
        give(`receives ack ${outcome} of ${participantId}`, { type: "ack", participantId, outcome, reason: "", ...moment });
      } else {
        give(`is asked by ${participantId}`, { type: "inquiry", participantId, ...moment });
        // The question in a Hello.
        give(`welcomes ${participantId}, in doubt`, { type: "connected", participantId, inDoubt: true, ...moment });
      }
    }
    for (const { participantId, connected } of transaction.parts) {
      give(`welcomes ${participantId}`, { type: "connected", participantId, inDoubt: false, ...moment });
      if (connected && also.includes("disconnect"))
        give(`misses ${participantId}`, { type: "disconnected", participantId, ...moment });
      if (transaction.outcome !== undefined) give(`resends to ${participantId}`, { type: "resend", participantId, ...moment });
    }
    give("is told to retry", { type: "retry", ...moment });
    const { idleTimeoutMs, outcome } = transaction;
    if (idleTimeoutMs !== undefined) {
      const next = ids[transaction.parts.length];
      for (const participantId of [...transaction.parts.map((part) => part.participantId), ...(next ? [next] : [])]) {
        const enlistment = { participantId, payload: new Uint8Array(), connected: true, request: undefined };
        give(`enlists ${participantId}`, { type: "enlist", ...enlistment, ...moment });
      }
      // Of fewer participants it would be another transaction.
      if (next === undefined) give("is told to commit", { type: "commit", ...moment });
    }
    if (allows("timeout")) {
      // Any of them may fire late.
      if (transaction.parts.some(({ connected }) => !connected)) give("waits in vain", { type: "wait-timeout", ...moment });
      give("is left alone", { type: "idle-timeout", ...moment });
      give("timeout", { type: "prepare-timeout", ...moment });
    }
    for (const given of also.includes("resolve") ? (["committed", "aborted"] as const) : []) {
      give(`is resolved as ${given}`, { type: "resolve", outcome: given, reason: "x", requestedBy: "o", ...moment });
    }
    if (outcome === undefined && allows("clientAbort")) {
      give("client abort", { type: "client-abort", reason: "x", ...moment });
      give("is told to abort", { type: "abort", reason: "x", ...moment });
    }
    if (outcome !== undefined && state.spec.client === "waiting") {
      found.push({ name: `client asks c${epoch}`, state: tell(state, outcome), action: "AckClient" });
    }
    return found;
  }

  /** What it answers without a run: what the log says. No record means aborted. */
  function inputsOfNone(state: State, epoch: number): readonly Successor[] {
    const found: Successor[] = [];
    const { log } = state;
    const outcome = log ? log.outcome : "aborted";
    if (outcome === undefined) return found;
    for (const message of Object.values(state.network)) {
      if (!("up" in message)) continue;
      const { up, from } = message;
      if (up.type !== "inquiry" && !(up.type === "vote" && up.value === "commit")) continue;
      const answer: Decision = { type: "decision", transactionId, outcome, coordinatorEpoch: epoch, inReply: true };
      found.push(sendDown(state, epoch, ids[from] as ParticipantId, answer));
    }
    const heard = log?.phase === "COMPLETED" ? readHistory(state, epoch, log) : undefined;
    if (heard) return [...found, heard];
    const { client, fence } = state.spec;
    if (client === "waiting") found.push({ name: `client asks c${epoch}`, state: tell(state, outcome), action: "AckClient" });
    else if (log && fence === epoch && whyKept(log, answerRetentionMs) === undefined) {
      found.push({ name: `c${epoch} forgets`, state: purge(state, epoch), action: "Forget" });
    }
    return found;
  }

  /** An operator drops the record. A client asks again for as long as its answer is kept. */
  function forgetAt(state: State, epoch: number): readonly Successor[] {
    const seen = state.coordinators[epoch - 1]?.transaction ?? state.log;
    const nowMs = state.spec.client === "waiting" ? 0 : answerRetentionMs;
    if (!seen || state.spec.fence !== epoch || whyKept(seen, nowMs) !== undefined) return [];
    const gone = withCoordinator({ ...state, log: undefined, operated: true }, epoch, { transaction: undefined });
    return [{ name: `c${epoch} is told to forget`, state: gone }];
  }

  /** An acknowledgement that an earlier coordinator has heard is in the log. The spec's next one hears it itself. */
  function readHistory(state: State, epoch: number, { outcome, parts }: Transaction): Successor | undefined {
    const { phase, yes, acks, lost } = specOf(state, epoch);
    const name = `c${epoch} reads its history`;
    const action = "RecvAck";
    if (phase === "preparing") {
      const heard: Partial<SpecCoordinator> =
        outcome === "committed" ? { phase: "committing", yes: names, acks: names, lost: [] } : { phase: "aborting" };
      return { name, state: withSpecCoordinator(state, epoch, heard), action };
    }
    const known = parts.find((part) => part.acknowledgedAtMs !== undefined && !acks.includes(part.participantId));
    if (phase !== "committing" || !known || !yes.includes(known.participantId)) return undefined;
    return {
      name,
      state: withSpecCoordinator(state, epoch, {
        acks: union(acks, known.participantId),
        lost: without(lost, known.participantId),
      }),
      action,
    };
  }

  function beginAt(state: State, options: { readonly connected: boolean; readonly enlists: boolean }): State {
    const first = newTransaction(
      {
        id: transactionId,
        coordinatorEpoch: 1,
        enlistments: options.enlists ? [] : ids.map((participantId) => ({ participantId, payload: new Uint8Array() })),
        connected: new Set(options.connected ? ids : []),
        waitForParticipantsMs: 1,
        prepareTimeoutMs: 1,
        idleTimeoutMs: options.enlists ? 1 : undefined,
        requestedBy: "",
        reason: "",
        request: { id: "r" as RequestId, digest: "" },
      },
      0,
    );
    const begun = withSpecCoordinator(withSpec(state, { fence: 1 }), 1, { phase: "init" });
    return withCoordinator(afterStep(begun, 1, first, begin(first, moment)), 1, { status: "alive" });
  }

  function coordinatorSteps(state: State): readonly Successor[] {
    if (state.spec.fence === 0) {
      const action = "Begin";
      return [
        { name: "c1 begins", state: beginAt(state, { connected: true, enlists: false }), action },
        { name: "c1 begins, and waits", state: beginAt(state, { connected: false, enlists: false }), action },
        { name: "c1 begins to enlist", state: beginAt(state, { connected: true, enlists: true }), action },
      ];
    }
    const found: Successor[] = [];
    for (let epoch = 1; epoch <= maxEpoch; epoch += 1) {
      const { status, effects, writes } = state.coordinators[epoch - 1] as Coordinator;
      if (status === "alive") {
        found.push(...(effects.length > 0 ? carryOut(state, epoch) : inputsOf(state, epoch)));
        if (also.includes("resolve") && effects.length + writes.length === 0) found.push(...forgetAt(state, epoch));
        if (writes[0] && (effects.length === 0 || writes[0].phase !== "COMPLETED")) found.push(endWrite(state, epoch));
        if (epoch < maxEpoch) found.push({ name: `c${epoch} crashes`, state: die(state, epoch), action: "CoordCrash" });
      }
      if (epoch === state.spec.fence + 1) {
        found.push({ name: `c${epoch} takes over`, state: takeOverAt(state, epoch), action: "TakeOver" });
      }
    }
    return found;
  }

  function takeOverAt(state: State, epoch: number): State {
    const { rec, voters, lost } = state.spec.log;
    const ofRecord: Readonly<Record<SpecState["log"]["rec"], SpecCoordinator>> = {
      none: newCoordinator("unknown"),
      delegated: { ...newCoordinator("preparing"), lost },
      commit: { ...newCoordinator("committing"), yes: voters, lost },
      abort: { ...newCoordinator("aborting"), ro: names.filter((name) => !voters.includes(name)) },
    };
    const claimed = withSpecCoordinator(withSpec(state, { fence: epoch }), epoch, ofRecord[rec]);
    const alive = withCoordinator(claimed, epoch, { status: "alive" });
    if (!state.log || isFinished(state.log)) return alive;
    const step = takeOver(state.log, { coordinatorEpoch: epoch, connected: new Set() }, moment);
    return afterStep(alive, epoch, undefined, step);
  }

  // ---- The participants.

  const specPart = ({ record, transaction, mind }: Pick<Participant, "record" | "transaction" | "mind">): SpecPart => {
    const state = (transaction?.state === "committing" ? record?.state : transaction?.state) ?? "working";
    // In one phase the promise is only the first half of the commit.
    if (state === "working" || (state === "prepared" && transaction?.onePhase)) return mind ?? "working";
    return state === "read-only" ? "readonly" : state;
  };

  const kindOf = (up: Up): string => {
    if (up.type === "inquiry") return "inquire";
    if (up.type === "decision-ack") return { committed: "ackCommit", aborted: "ackAbort", lost: "ackLost" }[up.outcome];
    return up.value === "commit" ? "yes" : up.value === "abort" ? "no" : "readonly";
  };

  /** What a message is the answer to. */
  function actionOf(state: State, index: number, message: string): string {
    if (message === "inquire") return "Inquire";
    if (!message.startsWith("ack")) return "RecvPrepare";
    if (onePhase) return "RecvPrepareOnePhase";
    if (message === "ackCommit") return "RecvCommit";
    if (message === "ackLost") return "RecvCommitLost";
    return state.spec.part[index] === "working" ? "RecvAbortUnknown" : "RecvAbort";
  }

  /** In the spec a step's write and its first message are one; a crash between the two is a message that nobody receives. */
  function withFirstMessage(before: State, state: State, index: number, part: SpecPart): Omit<Successor, "name"> {
    const settled = withPart(state, index, part);
    const [first] = state.participants[index]?.effects ?? [];
    if (first?.type !== "send") return { state: settled };
    const kind = kindOf(first.message);
    return { state: owed(settled, `${kind} ${names[index]}`), action: actionOf(before, index, kind) };
  }

  function participantInput(state: State, index: number, given: ParticipantInput): Omit<Successor, "name"> {
    const before = state.participants[index] as Participant;
    const step = stepParticipant(before.transaction, given);
    const effects = step.effects.filter(({ type }) => ["persist", "send", "resource-commit"].includes(type));
    const transaction = step.transaction && { ...step.transaction, reason: "", attempt: 0 };
    const { record } = before;
    const mind = transaction === undefined || transaction.state === "working" ? before.mind : undefined;
    const next = withParticipant(state, index, { transaction, effects, mind });
    if (effects.some(({ type }) => type === "persist")) return { state: next };
    return withFirstMessage(state, next, index, specPart({ record, transaction, mind }));
  }

  /** When no crash can come between, what is done up to the first message is one step: the message may be late all the same. */
  function participantStep(state: State, index: number, given: ParticipantInput): Omit<Successor, "name"> {
    let step = participantInput(state, index, given);
    if (state.spec.crashes < maxPartCrash) return step;
    for (;;) {
      const [first] = step.state.participants[index]?.effects ?? [];
      if (!first) return step;
      const done = carryOutAt(step.state, index);
      step = { state: done.state, action: step.action ?? done.action };
      if (first.type === "send") return step;
    }
  }

  function carryOutAt(state: State, index: number): Omit<Successor, "name"> {
    const actor = state.participants[index] as Participant;
    const [effect, ...effects] = actor.effects;
    const rest = withParticipant(state, index, { effects });
    if (effect?.type === "resource-commit") {
      return participantInput(
        rest,
        index,
        actor.gone ? { type: "promise-lost", reason: "x", nowMs: 0 } : { type: "resource-committed", nowMs: 0 },
      );
    }
    if (effect?.type === "persist") {
      const record = { ...effect.record, reason: "" };
      const part = specPart({ record, transaction: loadTransaction(record), mind: actor.mind });
      const { taken } = state.spec;
      const name = names[index] as string;
      // Who has lost one promise may make another.
      const takenNow = record.state === "lost" ? union(taken, name) : part === "prepared" ? without(taken, name) : taken;
      return withFirstMessage(state, withSpec(withParticipant(rest, index, { record }), { taken: takenNow }), index, part);
    }
    if (effect?.type !== "send") throw new Error("not an effect that matters");
    const up = effect.message.type === "vote" ? { ...effect.message, attempt: 0, reason: "" } : effect.message;
    const kind = kindOf(up);
    const key = `${kind} ${names[index]}`;
    return { state: send(owed(rest, key), key, { from: index, up }), action: actionOf(state, index, kind) };
  }

  function participantSteps(state: State): readonly Successor[] {
    const found: Successor[] = [];
    const { crashes } = state.spec;
    for (const [index, actor] of state.participants.entries()) {
      const name = names[index] as string;
      const give = (what: string, given: ParticipantInput): void => {
        found.push({ name: `${name} ${what}`, ...participantStep(state, index, given) });
      };
      if (crashes < maxPartCrash) found.push(...crash(state, index));
      if (allows("losePromise")) found.push(...lose(state, index));
      if (!actor.up) {
        found.push({ name: `${name} recovers`, state: recover(state, index), action: "PartRecover" });
        continue;
      }
      if (actor.effects.length > 0) {
        found.push({ name: `${name} ${actor.effects[0]?.type}`, ...carryOutAt(state, index) });
        continue;
      }
      for (const message of Object.values(state.network)) {
        if (!("down" in message) || message.to !== index) continue;
        const from = { coordinatorId, epochSeen: 0 };
        const { down } = message;
        if (down.type === "prepare") {
          give("receives prepare", { type: "prepare", message: down, from, nowMs: 0 });
          if (allows("no") && down.voteWithinMs > 0) {
            const late = { type: "prepare", message: { ...down, voteWithinMs: 0 }, from, nowMs: 0 } as const;
            found.push({ name: `${name} receives prepare too late`, ...participantStep(forgetful(state, index), index, late) });
          }
        } else give(`receives ${down.outcome}`, { type: "decision", message: down, from, logId: "x", nowMs: 0 });
      }
      found.push(...strangers(state, index));
      const { transaction, mind } = actor;
      if (transaction?.busy) {
        for (const value of votesOf(mind)) {
          give(`votes ${value}`, { type: "resource-voted", vote: { value, reason: "" }, nowMs: 0 });
        }
      }
      if (allows("no") && state.spec.part[index] === "working") {
        const given = withPart(withParticipant(state, index, { mind: "refused" }), index, "refused");
        found.push({ name: `${name} makes up its mind`, state: given, action: "UnilateralAbort" });
      }
      // It is offered at any time; after its promise it is to do nothing.
      if (transaction && allows("no")) give("gives up", { type: "unilateral-abort", reason: "x", nowMs: 0 });
      if (transaction && isInDoubt(transaction)) give("inquires", { type: "inquire", nowMs: 0 });
    }
    return found;
  }

  /** A read-only vote has no record, and is kept for a while. The resource stays with it. */
  function forgetful(state: State, index: number): State {
    const hasLeft = state.participants[index]?.transaction?.state === "read-only";
    return hasLeft ? withParticipant(state, index, { transaction: undefined, mind: "readonly" }) : state;
  }

  function votesOf(mind: Participant["mind"]): readonly VoteValue[] {
    if (mind !== undefined) return [mind === "refused" ? "abort" : "read-only"];
    const no: readonly VoteValue[] = allows("no") ? ["abort"] : [];
    return ["commit", ...no, ...(allows("readonly") ? (["read-only"] as const) : [])];
  }

  /** Its resource loses what it has promised, or finds it again; or its log is emptied while it is down. */
  function lose(state: State, index: number): readonly Successor[] {
    const { record, effects, gone, up } = state.participants[index] as Participant;
    const name = names[index] as string;
    const { taken } = state.spec;
    const isAnswered = effects[0] !== undefined && effects[0].type !== "resource-commit";
    // What is only working in the spec is the first half of a one-phase commit.
    const isKnown = state.spec.part[index] !== "working";
    if (isAnswered) return [];
    if (gone) {
      const found = withParticipant(state, index, { gone: false });
      const restored = { name: `${name}'s promise is restored` };
      return taken.includes(name)
        ? [{ ...restored, state: withSpec(found, { taken: without(taken, name) }), action: "RestorePromise" }]
        : [{ ...restored, state: found }];
    }
    if (record?.state !== "prepared") return [];
    const lost = withParticipant(state, index, { gone: true });
    const action = "LosePromise";
    const marked = withSpec(lost, { taken: union(taken, name) });
    if (!isKnown) return [{ name: `${name}'s promise is lost`, state: lost }];
    const emptied = withPart(
      withParticipant(withSpec(state, { taken: union(taken, name) }), index, { record: undefined, transaction: undefined }),
      index,
      "working",
    );
    return [
      { name: `${name}'s promise is lost`, state: marked, action },
      ...(up ? [] : [{ name: `${name}'s log is emptied`, state: emptied, action }]),
    ];
  }

  /** A coordinator with another log answers what it was asked; nothing comes of it. */
  function strangers(state: State, index: number): readonly Successor[] {
    const name = names[index] as string;
    const { net } = state.spec;
    if (!allows("stranger") || !net.includes(`inquire ${name}`)) return [];
    const answer = `strangerAbort ${name}`;
    if (!net.includes(answer))
      return [{ name: `a stranger answers ${name}`, state: owed(state, answer), action: "StrangerAnswers" }];
    const message: Decision = { type: "decision", transactionId, outcome: "aborted", coordinatorEpoch: 9, inReply: true };
    const from = { coordinatorId: "stranger", epochSeen: 0 };
    const given = { type: "decision", message, from, logId: "x", nowMs: 0 } as const;
    return [{ name: `${name} hears a stranger`, ...participantStep(state, index, given) }];
  }

  /** What is not written is forgotten, except perhaps by the resource. */
  function crash(state: State, index: number): readonly Successor[] {
    const { record } = state.participants[index] as Participant;
    const { up, crashes, part } = state.spec;
    const name = names[index] as string;
    const seen = withSpec(state, { up: up.filter((each) => each !== name), crashes: crashes + 1 });
    const was = part[index];
    const minds = was === "refused" || was === "readonly" ? [undefined, was] : [undefined];
    return minds.map((mind) => {
      const transaction = record && loadTransaction(record);
      const down = withParticipant(seen, index, { transaction, effects: [], up: false, mind });
      const what = `${name} crashes${mind ? ", and its resource stays with it" : ""}`;
      return { name: what, state: withPart(down, index, specPart({ record, transaction, mind })), action: "PartCrash" };
    });
  }

  /** The new session supersedes the old one: what the old one had under way and promises nothing is dropped. */
  function recover(state: State, index: number): State {
    const name = names[index] as string;
    const fenced = (key: string): boolean => key.startsWith(`prepare ${name}`) || key === `readonly ${name}`;
    const network = Object.fromEntries(Object.entries(state.network).filter(([key]) => !fenced(key)));
    const { up, net } = state.spec;
    const welcome = withSpec(
      { ...withParticipant(state, index, { up: true }), network },
      { up: names.filter((each) => each === name || up.includes(each)), net: net.filter((key) => !fenced(key)) },
    );
    return participantInput(welcome, index, { type: "recover", nowMs: 0 }).state;
  }

  return {
    initial,
    successors: (state: State): readonly Successor[] => [...coordinatorSteps(state), ...participantSteps(state)],
  };
}

const shortTransaction = (transaction: Transaction | undefined): unknown =>
  transaction && [
    transaction.phase,
    transaction.outcome,
    transaction.coordinatorEpoch,
    transaction.idleTimeoutMs,
    transaction.resolution && 1,
    transaction.parts.map((part) => [
      part.connected,
      part.vote,
      part.acknowledgedAtMs,
      part.acknowledgedOutcome,
      part.lost && 1,
      part.preparesSent,
    ]),
  ];

const shortEffect = (effect: Effect | ParticipantEffect): unknown => {
  if (effect.type === "send") return "participantId" in effect ? [effect.participantId, effect.message] : effect.message;
  if (effect.type === "persist") return "record" in effect ? effect.record.state : [effect.transaction.phase];
  return effect.type === "record" ? ["record", effect.transaction.phase] : effect.type;
};

/** A number for each different text. */
function numbered<Value extends object>(textOf: (value: Value) => unknown): (value: Value) => number {
  const numbers = new Map<string, number>();
  return once((value: Value) => {
    const text = JSON.stringify(textOf(value));
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    return number;
  });
}

const logNumber = numbered<Transaction>(shortTransaction);

const coordinatorNumber = numbered(({ status, transaction, effects, writes }: Coordinator) => [
  status,
  shortTransaction(transaction),
  effects.map(shortEffect),
  writes.map(shortTransaction),
]);

const participantNumber = numbered(({ record, transaction, effects, up, mind, gone }: Participant) => [
  record && [record.state, record.onePhase, record.coordinatorEpoch],
  transaction && [
    transaction.state,
    transaction.onePhase,
    transaction.coordinatorEpoch,
    transaction.busy,
    transaction.abortReceived,
  ],
  effects.map(shortEffect),
  up,
  mind,
  gone,
]);

const networkNumber = numbered((network: State["network"]) => Object.keys(network).sort());

const specNumber = numbered(specKey);

/** One text for one state. */
export const stateKey = ({ log, coordinators, participants, network, spec, operated }: State): string =>
  [
    operated ? 1 : 0,
    log ? logNumber(log) : "",
    ...coordinators.map(coordinatorNumber),
    ...participants.map(participantNumber),
    networkNumber(network),
    specNumber(spec),
  ].join();
