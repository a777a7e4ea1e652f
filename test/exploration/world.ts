import {
  begin,
  type CoordinatorEffect,
  type CoordinatorInput,
  newTransaction,
  type Step,
  stepCoordinator,
  takeOver,
} from "../../src/commit/core/coordinator.ts";
import type { Decision, DecisionAck, Inquiry, Prepare, Vote } from "../../src/commit/core/messages.ts";
import {
  isInDoubt,
  loadTransaction,
  type ParticipantEffect,
  type ParticipantInput,
  type ParticipantRecord,
  type ParticipantTransaction,
  stepParticipant,
} from "../../src/commit/core/participant.ts";
import { isOnePhase, type Transaction, type VoteValue } from "../../src/commit/core/types.ts";
import type { ParticipantId, TransactionId } from "../../src/kernel/ids.ts";
import { newCoordinator, type SpecCoordinator, type SpecPart, type SpecState } from "./spec.ts";

// Every step that the production cores can take in a small world. A step hands one input to a core, or carries out one effect, so a
// crash can fall between any two. Beside it stands what the state is in the terms of specs/TwoPhaseCommit.tla.

/** As in the specs. No message is lost other than by not being delivered. */
export type Constants = {
  readonly participants: readonly string[];
  readonly maxEpoch: number;
  readonly maxPartCrash: number;
  readonly may: readonly ("no" | "readonly" | "timeout" | "clientAbort")[];
};

/** In two-phase commit without a forced write the decision is a step of its own: specs/TwoPhaseCommit.tla: CommitReadOnly. */
type Effect = CoordinatorEffect | { readonly type: "commit-read-only" };

type Coordinator = {
  readonly status: "off" | "alive" | "dead";
  /** What it runs. Undefined: it answers from the log. */
  readonly transaction: Transaction | undefined;
  readonly effects: readonly Effect[];
};

type Participant = {
  readonly record: ParticipantRecord | undefined;
  readonly transaction: ParticipantTransaction | undefined;
  readonly effects: readonly ParticipantEffect[];
  readonly up: boolean;
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
};

/** Steps that the spec takes as two, or earlier. */
export type Beyond =
  /** A yes that finds the transaction over is answered with the decision. In the spec: Inquire, then AnswerInquiry. */
  | "asked-by-vote"
  /** An abort that was recorded is sent by the next coordinator. In the spec the one that aborted sends it. */
  | "abort-sent-again"
  /** What the lone participant said to an earlier coordinator is in the log. In the spec: RecvAck, then AckClient. */
  | "known-from-history";

export type Successor = { readonly name: string; readonly state: State; readonly beyond?: Beyond };

const transactionId = "t" as TransactionId;
const moment = { nowMs: 0, random: 0 };
const coordinatorId = "c";

export function createWorld(constants: Constants) {
  const { participants: names, maxEpoch, maxPartCrash, may } = constants;
  const ids = names as readonly ParticipantId[];
  const indexOf = (id: string): number => names.indexOf(id);
  const allows = (whim: Constants["may"][number]): boolean => may.includes(whim);

  const initial: State = {
    log: undefined,
    coordinators: Array.from({ length: maxEpoch }, () => ({ status: "off", transaction: undefined, effects: [] })),
    participants: names.map(() => ({ record: undefined, transaction: undefined, effects: [], up: true })),
    network: {},
    spec: {
      log: { rec: "none", epoch: 0, voters: [] },
      fence: 0,
      coord: Array.from({ length: maxEpoch }, () => newCoordinator("off")),
      part: names.map(() => "working"),
      up: names,
      net: [],
      client: "waiting",
      crashes: 0,
    },
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
    withSpec(state, { part: at(state.spec.part, index, part) });

  const union = (items: readonly string[], item: string): readonly string[] =>
    items.includes(item) ? items : [...items, item].sort();

  const owed = (state: State, message: string): State => withSpec(state, { net: union(state.spec.net, message) });

  const send = (state: State, key: string, message: State["network"][string]): State =>
    state.network[key] ? state : { ...state, network: { ...state.network, [key]: message } };

  const die = (state: State, epoch: number): State => {
    const dead = withCoordinator(state, epoch, { status: "dead", transaction: undefined, effects: [] });
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
    })),
  });

  const matters = (effect: Effect): boolean =>
    effect.type === "persist" ||
    effect.type === "record" ||
    effect.type === "send" ||
    effect.type === "commit-read-only" ||
    (effect.type === "reply" && effect.answer === "decided");

  function afterStep(state: State, epoch: number, before: Transaction | undefined, step: Step): State {
    const effects: readonly Effect[] = step.effects.filter(matters);
    const decidedNow = before !== undefined && before.outcome === undefined && step.transaction.outcome === "committed";
    const forced = effects.some(({ type }) => type === "persist");
    const first: readonly Effect[] = decidedNow && !forced && !isOnePhase(step.transaction) ? [{ type: "commit-read-only" }] : [];
    return withCoordinator(state, epoch, { transaction: plain(step.transaction), effects: [...first, ...effects] });
  }

  function input(state: State, epoch: number, given: CoordinatorInput): State {
    const before = state.coordinators[epoch - 1]?.transaction as Transaction;
    const step = stepCoordinator(before, given);
    const next = afterStep(state, epoch, before, step);
    const wasCollecting = before.outcome === undefined;
    if (!wasCollecting) {
      const acked = given.type === "ack" && given.outcome === "committed" && before.phase === "COMMITTING";
      return acked ? withSpecCoordinator(next, epoch, { acks: union(specOf(state, epoch).acks, given.participantId) }) : next;
    }
    const { yes, ro } = specOf(state, epoch);
    if (given.type === "ack") {
      if (step.transaction.outcome === "committed") {
        const only = [given.participantId];
        return withSpecCoordinator(next, epoch, { phase: "committing", yes: only, ro: [], acks: only });
      }
    }
    if (step.transaction.outcome === "aborted") return withSpecCoordinator(next, epoch, { phase: "aborting" });
    if (given.type !== "vote" || isOnePhase(before)) return next;
    return given.value === "commit"
      ? withSpecCoordinator(next, epoch, { yes: union(yes, given.participantId) })
      : withSpecCoordinator(next, epoch, { ro: union(ro, given.participantId) });
  }

  function carryOut(state: State, epoch: number): readonly Successor[] {
    const actor = state.coordinators[epoch - 1] as Coordinator;
    const [effect, ...effects] = actor.effects as readonly [Effect, ...Effect[]];
    const rest = withCoordinator(state, epoch, { effects });
    const name = `c${epoch} ${effect.type}`;
    const owner = state.spec.fence === epoch;
    switch (effect.type) {
      case "persist": {
        if (!owner) return [{ name: `${name}: refused`, state: die(state, epoch) }];
        const { transaction } = effect;
        const commit = transaction.outcome === "committed";
        const voters = transaction.parts.filter(({ vote }) => vote === "commit").map(({ participantId }) => participantId);
        const logged = withSpec(
          { ...rest, log: plain(transaction) },
          { log: { rec: commit ? "commit" : "delegated", epoch, voters: commit ? [...voters].sort() : [] } },
        );
        return [{ name, state: withSpecCoordinator(logged, epoch, { phase: commit ? "committing" : "preparing" }) }];
      }
      case "commit-read-only":
        return [{ name, state: withSpecCoordinator(rest, epoch, { phase: "committing" }) }];
      case "record": {
        if (!owner) return [{ name: `${name}: refused`, state: die(state, epoch) }];
        const { transaction } = effect;
        if (transaction.phase === "COMPLETED") return [{ name: `${name} COMPLETED`, state: complete(rest, epoch, transaction) }];
        // It need not be durable.
        return [
          { name, state: { ...rest, log: plain(transaction) } },
          { name: `${name}: lost`, state: rest },
        ];
      }
      case "reply": {
        const { outcome } = actor.transaction as Transaction;
        return [
          { name, state: tell(rest, outcome as "committed" | "aborted") },
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

  const tell = (state: State, outcome: "committed" | "aborted"): State =>
    state.spec.client === "waiting" ? withSpec(state, { client: outcome }) : state;

  /**
   * The run is over. What is left in the log is history; the spec has none, so it is dropped as soon as the spec may forget: when the
   * client knows.
   */
  function complete(state: State, epoch: number, transaction: Transaction): State {
    const over = withCoordinator(state, epoch, { transaction: undefined, effects: [] });
    if (transaction.outcome === "aborted" && state.spec.log.rec !== "delegated") return { ...over, log: undefined };
    return state.spec.client === "waiting" ? { ...over, log: plain(transaction) } : purge(over, epoch);
  }

  const purge = (state: State, epoch: number): State =>
    withSpecCoordinator(withSpec({ ...state, log: undefined }, { log: { rec: "none", epoch: 0, voters: [] } }), epoch, {
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
    const down: Down = prepares
      ? {
          type: "prepare",
          transactionId,
          attempt: 1,
          payload: message.payload,
          voteWithinMs: 1,
          onePhase: message.onePhase,
          coordinatorEpoch: message.coordinatorEpoch,
        }
      : { ...message, inReply: false };
    const sent = send(owed(state, `${kind} ${participantId}`), `${kind} ${participantId} ${message.coordinatorEpoch}`, {
      to,
      down,
    });
    const { phase } = specOf(state, epoch);
    const name = `c${epoch} sends ${kind} to ${participantId}`;
    if (prepares) return { name, state: withSpecCoordinator(sent, epoch, { phase: "preparing" }) };
    return kind === "abort" && phase === "unknown" ? { name, state: sent, beyond: "abort-sent-again" } : { name, state: sent };
  }

  function inputsOf(state: State, epoch: number): readonly Successor[] {
    const actor = state.coordinators[epoch - 1] as Coordinator;
    const { transaction } = actor;
    const found: Successor[] = [];
    const give = (name: string, given: CoordinatorInput): void => {
      found.push({ name: `c${epoch} ${name}`, state: input(state, epoch, given) });
    };
    const asked = (participantId: ParticipantId, byVote: boolean): void => {
      if (state.log && state.log.outcome === undefined) return;
      const outcome = state.log?.outcome ?? "aborted";
      const message: Decision = { type: "decision", transactionId, outcome, coordinatorEpoch: epoch, inReply: true };
      // The spec has it that only an Inquiry is a question, so a yes that is taken as one counts as both.
      const question = byVote ? owed(state, `inquire ${participantId}`) : state;
      const { name, state: answered } = sendDown(question, epoch, participantId, message);
      found.push(byVote ? { name, state: answered, beyond: "asked-by-vote" } : { name, state: answered });
    };
    for (const message of Object.values(state.network)) {
      if (!("up" in message)) continue;
      const { up } = message;
      const participantId = ids[message.from] as ParticipantId;
      if (!transaction) {
        if (up.type === "inquiry" || (up.type === "vote" && up.value === "commit")) asked(participantId, up.type === "vote");
      } else if (up.type === "vote") {
        give(`receives ${up.value} of ${participantId}`, { type: "vote", participantId, value: up.value, reason: "", ...moment });
      } else if (up.type === "decision-ack") {
        give(`receives ack ${up.outcome} of ${participantId}`, {
          type: "ack",
          participantId,
          outcome: up.outcome,
          reason: "",
          ...moment,
        });
      } else {
        give(`is asked by ${participantId}`, { type: "inquiry", participantId, ...moment });
        // The question in a Hello.
        give(`welcomes ${participantId}, in doubt`, { type: "connected", participantId, inDoubt: true, ...moment });
      }
    }
    if (transaction) {
      for (const participantId of ids) {
        give(`welcomes ${participantId}`, { type: "connected", participantId, inDoubt: false, ...moment });
        if (transaction.outcome !== undefined) give(`resends to ${participantId}`, { type: "resend", participantId, ...moment });
      }
      if (transaction.phase === "PREPARING") {
        if (allows("timeout")) give("timeout", { type: "prepare-timeout", ...moment });
        if (allows("clientAbort")) give("client abort", { type: "client-abort", reason: "x", ...moment });
      }
    }
    // A client that asks what became of it. Without a record: it was aborted.
    const outcome = transaction ? transaction.outcome : state.log ? state.log.outcome : "aborted";
    if (outcome !== undefined && state.spec.client === "waiting") {
      const name = `client asks c${epoch}`;
      const told = tell(state, outcome);
      if (!transaction && specOf(state, epoch).phase === "preparing") {
        // A coordinator before it has heard the lone participant, and left it in the log. The spec's has to hear it itself.
        const heard: Partial<SpecCoordinator> =
          outcome === "committed" ? { phase: "committing", yes: names, acks: names } : { phase: "aborting" };
        found.push({ name, state: withSpecCoordinator(told, epoch, heard), beyond: "known-from-history" });
      } else found.push({ name, state: told });
    }
    if (!transaction && state.log?.phase === "COMPLETED" && state.spec.client !== "waiting" && state.spec.fence === epoch) {
      const { phase, yes, acks } = specOf(state, epoch);
      const may = (phase === "committing" && yes.every((each) => acks.includes(each))) || phase === "aborting";
      if (may) found.push({ name: `c${epoch} purges`, state: purge(state, epoch) });
    }
    return found;
  }

  function beginAt(state: State, connected: readonly ParticipantId[]): State {
    const first = newTransaction(
      {
        id: transactionId,
        coordinatorEpoch: 1,
        enlistments: ids.map((participantId) => ({ participantId, payload: new Uint8Array() })),
        connected: new Set(connected),
        waitForParticipantsMs: 0,
        prepareTimeoutMs: 1,
        requestedBy: "",
        reason: "",
        request: undefined,
      },
      0,
    );
    const step = begin(first, moment);
    const begun = withSpecCoordinator(withSpec(state, { fence: 1 }), 1, { phase: "init" });
    const after = withCoordinator(afterStep(begun, 1, first, step), 1, { status: "alive" });
    return after;
  }

  function coordinatorSteps(state: State): readonly Successor[] {
    const found: Successor[] = [];
    if (state.spec.fence === 0) return [{ name: "c1 begins", state: beginAt(state, ids) }];
    for (let epoch = 1; epoch <= maxEpoch; epoch += 1) {
      const actor = state.coordinators[epoch - 1] as Coordinator;
      if (actor.status === "alive") {
        found.push(...(actor.effects.length > 0 ? carryOut(state, epoch) : inputsOf(state, epoch)));
        if (epoch < maxEpoch) found.push({ name: `c${epoch} crashes`, state: die(state, epoch) });
      }
      if (epoch === state.spec.fence + 1) found.push({ name: `c${epoch} takes over`, state: takeOverAt(state, epoch) });
    }
    return found;
  }

  function takeOverAt(state: State, epoch: number): State {
    const { rec, voters } = state.spec.log;
    const spec: SpecCoordinator =
      rec === "commit"
        ? { ...newCoordinator("committing"), yes: voters }
        : newCoordinator(rec === "delegated" ? "preparing" : "unknown");
    const claimed = withSpecCoordinator(withSpec(state, { fence: epoch }), epoch, spec);
    const alive = withCoordinator(claimed, epoch, { status: "alive" });
    if (!state.log || state.log.phase === "COMPLETED") return alive;
    const step = takeOver(state.log, { coordinatorEpoch: epoch, connected: new Set() }, moment);
    return afterStep(alive, epoch, undefined, step);
  }

  // ---- The participants.

  const specPart = (transaction: ParticipantTransaction | undefined): SpecPart => {
    const state = transaction?.state ?? "working";
    // In one phase the promise is only the first half of the commit.
    if (state === "prepared" && transaction?.onePhase) return "working";
    return state === "read-only" ? "readonly" : state;
  };

  const kindOf = (up: Up): string => {
    if (up.type === "inquiry") return "inquire";
    if (up.type === "decision-ack") return up.outcome === "committed" ? "ackCommit" : "ackAbort";
    return up.value === "commit" ? "yes" : up.value === "abort" ? "no" : "readonly";
  };

  /** In the spec a step's write and its first message are one; a crash between the two is a message that nobody receives. */
  function oweFirst(state: State, index: number): State {
    const [first] = state.participants[index]?.effects ?? [];
    return first?.type === "send" ? owed(state, `${kindOf(first.message)} ${names[index]}`) : state;
  }

  function participantInput(state: State, index: number, given: ParticipantInput): State {
    const before = state.participants[index] as Participant;
    const step = stepParticipant(before.transaction, given);
    const effects = step.effects.filter(({ type }) => type === "persist" || type === "send");
    const transaction = step.transaction && { ...step.transaction, reason: "", attempt: 0 };
    const next = withParticipant(state, index, { transaction, effects });
    if (effects.some(({ type }) => type === "persist")) return next;
    return oweFirst(withPart(next, index, specPart(transaction)), index);
  }

  function carryOutAt(state: State, index: number): State {
    const actor = state.participants[index] as Participant;
    const [effect, ...effects] = actor.effects;
    const rest = withParticipant(state, index, { effects });
    if (effect?.type === "persist") {
      const record = { ...effect.record, reason: "" };
      const durable = withParticipant(rest, index, { record });
      return oweFirst(withPart(durable, index, specPart(loadTransaction(record))), index);
    }
    if (effect?.type !== "send") throw new Error("not an effect that matters");
    const up = effect.message.type === "vote" ? { ...effect.message, attempt: 0, reason: "" } : effect.message;
    const key = `${kindOf(up)} ${names[index]}`;
    return send(owed(rest, key), key, { from: index, up });
  }

  function participantSteps(state: State): readonly Successor[] {
    const found: Successor[] = [];
    const { crashes } = state.spec;
    for (const [index, actor] of state.participants.entries()) {
      const name = names[index] as string;
      const give = (what: string, given: ParticipantInput): void => {
        found.push({ name: `${name} ${what}`, state: participantInput(state, index, given) });
      };
      if (!actor.up) {
        found.push({ name: `${name} recovers`, state: recover(state, index) });
        continue;
      }
      if (crashes < maxPartCrash) found.push({ name: `${name} crashes`, state: crash(state, index) });
      if (actor.effects.length > 0) {
        found.push({ name: `${name} ${actor.effects[0]?.type}`, state: carryOutAt(state, index) });
        continue;
      }
      for (const message of Object.values(state.network)) {
        if (!("down" in message) || message.to !== index) continue;
        const from = { coordinatorId, epochSeen: 0 };
        const { down } = message;
        if (down.type === "prepare") give("receives prepare", { type: "prepare", message: down, from, nowMs: 0 });
        else give(`receives ${down.outcome}`, { type: "decision", message: down, from, nowMs: 0 });
      }
      const { transaction } = actor;
      if (transaction?.busy) {
        const votes: readonly VoteValue[] = [
          "commit",
          ...(allows("no") ? (["abort"] as const) : []),
          ...(allows("readonly") && !transaction.onePhase ? (["read-only"] as const) : []),
        ];
        for (const value of votes) give(`votes ${value}`, { type: "resource-voted", vote: { value, reason: "" }, nowMs: 0 });
      }
      // It is offered at any time; after its promise it is to do nothing.
      if (transaction && allows("no")) give("gives up", { type: "unilateral-abort", reason: "x", nowMs: 0 });
      if (transaction && isInDoubt(transaction)) give("inquires", { type: "inquire", nowMs: 0 });
    }
    return found;
  }

  function crash(state: State, index: number): State {
    const { record } = state.participants[index] as Participant;
    const transaction = record && loadTransaction(record);
    const down = withParticipant(state, index, { transaction, effects: [], up: false });
    const { up, crashes } = state.spec;
    const seen = withSpec(down, { up: up.filter((name) => name !== names[index]), crashes: crashes + 1 });
    return withPart(seen, index, specPart(transaction));
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
    return participantInput(welcome, index, { type: "recover", nowMs: 0 });
  }

  return {
    initial,
    successors: (state: State): readonly Successor[] => [...coordinatorSteps(state), ...participantSteps(state)],
  };
}

/** One text for one state. */
export function stateKey({ log, coordinators, participants, network, spec }: State): string {
  const shortTransaction = (transaction: Transaction | undefined) =>
    transaction && [
      transaction.phase,
      transaction.outcome,
      transaction.coordinatorEpoch,
      transaction.parts.map((part) => [part.connected, part.vote, part.acknowledgedAtMs, part.preparesSent]),
    ];
  const shortEffect = (effect: Effect | ParticipantEffect) => {
    if (effect.type === "send") return "participantId" in effect ? [effect.participantId, effect.message] : effect.message;
    if (effect.type === "persist") return "record" in effect ? effect.record.state : [effect.transaction.phase];
    return effect.type === "record" ? ["record", effect.transaction.phase] : effect.type;
  };
  return JSON.stringify([
    shortTransaction(log),
    coordinators.map((each) => [each.status, shortTransaction(each.transaction), each.effects.map(shortEffect)]),
    participants.map(({ record, transaction, effects, up }) => [
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
    ]),
    Object.keys(network).sort(),
    spec,
  ]);
}
