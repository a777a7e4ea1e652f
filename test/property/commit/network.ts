import { begin, newTransaction, stepCoordinator, takeOver } from "../../../src/commit/core/coordinator.ts";
import type { CoordinatorEffect, CoordinatorInput } from "../../../src/commit/core/coordinator-step.ts";
import type { Decision, DecisionAck, Inquiry, Prepare, Vote } from "../../../src/commit/core/messages.ts";
import { isInDoubt, loadTransaction, stepParticipant } from "../../../src/commit/core/participant.ts";
import type {
  ParticipantEffect,
  ParticipantInput,
  ParticipantRecord,
  ParticipantTransaction,
} from "../../../src/commit/core/participant-step.ts";
import type { Outcome, Transaction, VoteValue } from "../../../src/commit/core/types.ts";
import type { ParticipantId } from "../../../src/kernel/ids.ts";
import { id, tx } from "../../unit/commit/support.ts";

// The production cores on a small world: a network that loses, duplicates and reorders, processes that die between any two effects,
// coordinators that are replaced and live on. One transaction, at the participants `votes` names, with the vote each would give.

export type World = ReturnType<typeof createWorld>;

type ToParticipant = Prepare | Decision;
type ToCoordinator = Vote | DecisionAck | Inquiry;
type Message = { readonly participant: ParticipantActor; readonly session: number; readonly epoch: number } & (
  | { readonly down: ToParticipant }
  | { readonly up: ToCoordinator }
);

type CoordinatorActor = {
  readonly epoch: number;
  alive: boolean;
  transaction: Transaction | undefined;
  readonly inbox: (CoordinatorInput | "begin" | "take-over")[];
  readonly effects: CoordinatorEffect[];
};

export type ParticipantActor = {
  readonly name: ParticipantId;
  readonly vote: VoteValue;
  /** Durable. */
  record: ParticipantRecord | undefined;
  resource: "nothing" | "prepared" | "committed";
  /** Volatile. */
  transaction: ParticipantTransaction | undefined;
  preparing: boolean;
  session: number;
  epochSeen: number;
  /** The coordinator that it has a session with. */
  epoch: number;
  readonly inbox: ParticipantInput[];
  readonly effects: ParticipantEffect[];
};

const transactionId = tx("t1");

/** Without `faults`, messages are only delayed, reordered and duplicated. */
export function createWorld(votes: Readonly<Record<string, VoteValue>>, faults = true) {
  let nowMs = 0;
  let fence = 1;
  let log: Transaction | undefined;
  let network: Message[] = [];
  let told: Outcome | undefined;
  const moment = () => ({ nowMs, random: 0.5 });
  const participants = Object.entries(votes).map(
    ([name, vote]): ParticipantActor => ({
      name: id(name),
      vote,
      record: undefined,
      resource: "nothing",
      transaction: undefined,
      preparing: false,
      session: 1,
      epochSeen: 1,
      epoch: 1,
      inbox: [],
      effects: [],
    }),
  );
  const names = new Set(participants.map(({ name }) => name));
  const first = newTransaction(
    {
      id: transactionId,
      coordinatorEpoch: 1,
      enlistments: participants.map(({ name }) => ({ participantId: name, payload: new Uint8Array() })),
      connected: names,
      waitForParticipantsMs: 0,
      prepareTimeoutMs: 10_000,
      requestedBy: "",
      reason: "",
      request: undefined,
    },
    nowMs,
  );
  const coordinators: CoordinatorActor[] = [{ epoch: 1, alive: true, transaction: first, inbox: ["begin"], effects: [] }];
  const newest = (): CoordinatorActor => coordinators.at(-1) as CoordinatorActor;

  function stepOfCoordinator(actor: CoordinatorActor): void {
    const effect = actor.effects.shift();
    if (effect) {
      carryOutAtCoordinator(actor, effect);
      return;
    }
    const input = actor.inbox.shift();
    if (input === undefined || !actor.transaction) return;
    const step =
      input === "begin"
        ? begin(actor.transaction, moment())
        : input === "take-over"
          ? takeOver(actor.transaction, { coordinatorEpoch: actor.epoch, connected: new Set() }, moment())
          : stepCoordinator(actor.transaction, input);
    actor.transaction = step.transaction;
    actor.effects.push(...step.effects);
  }

  function carryOutAtCoordinator(actor: CoordinatorActor, effect: CoordinatorEffect): void {
    switch (effect.type) {
      case "persist":
      case "record":
        if (actor.epoch === fence) log = effect.transaction;
        else actor.alive = false;
        break;
      case "reply":
        if (effect.answer === "decided") told ??= actor.transaction?.outcome;
        break;
      case "send":
        sendDown(actor.epoch, effect.participantId, effect.message);
        break;
    }
  }

  function sendDown(epoch: number, name: ParticipantId, message: Extract<CoordinatorEffect, { type: "send" }>["message"]): void {
    const participant = participants.find((each) => each.name === name) as ParticipantActor;
    const { session } = participant;
    if (message.type === "decision") {
      network.push({ participant, session, epoch, down: message });
    } else {
      const { deadlineMs, payload = new Uint8Array(), ...prepare } = message;
      network.push({
        ...{ participant, session, epoch },
        // Where nothing goes wrong, no Prepare is late.
        down: { ...prepare, payload, voteWithinMs: Math.max(faults ? 0 : 1, deadlineMs - nowMs) },
      });
    }
  }

  function stepOfParticipant(actor: ParticipantActor): void {
    const effect = actor.effects.shift();
    if (effect) {
      carryOutAtParticipant(actor, effect);
      return;
    }
    const input = actor.inbox.shift();
    if (!input) return;
    const step = stepParticipant(actor.transaction, input);
    actor.transaction = step.transaction;
    actor.effects.push(...step.effects);
  }

  function carryOutAtParticipant(actor: ParticipantActor, effect: ParticipantEffect): void {
    switch (effect.type) {
      case "resource-prepare":
        actor.preparing = true;
        break;
      case "resource-commit":
        if (actor.resource === "nothing" && actor.vote === "commit")
          throw new Error(`${actor.name} commits what it never prepared`);
        actor.resource = "committed";
        actor.inbox.unshift({ type: "resource-committed", nowMs });
        break;
      case "resource-abort":
        if (actor.resource === "committed") throw new Error(`${actor.name} aborts what it has committed`);
        actor.resource = "nothing";
        break;
      case "persist":
        actor.record = effect.record;
        break;
      case "send":
        network.push({ participant: actor, session: actor.session, epoch: actor.epoch, up: effect.message });
        break;
    }
  }

  /** The resource answers, at its own time. */
  function prepared(actor: ParticipantActor): void {
    actor.preparing = false;
    if (actor.vote === "commit" && actor.resource === "nothing") actor.resource = "prepared";
    actor.inbox.push({ type: "resource-voted", vote: { value: actor.vote, reason: actor.vote }, nowMs });
  }

  function deliver(message: Message): void {
    const { participant, session, epoch } = message;
    const isOld = session !== participant.session;
    if ("down" in message) {
      // specs/TwoPhaseCommit.tla: PartRecover. A Prepare to a superseded session is never delivered.
      if (isOld && message.down.type === "prepare") return;
      participant.epochSeen = isOld ? participant.epochSeen : Math.max(participant.epochSeen, epoch);
      const from = { coordinatorId: "c", epochSeen: participant.epochSeen };
      participant.inbox.push(
        message.down.type === "prepare"
          ? { type: "prepare", message: message.down, from, nowMs }
          : { type: "decision", message: message.down, from, logId: "log", nowMs },
      );
      return;
    }
    const { up } = message;
    if (isOld && up.type === "vote" && up.value === "read-only") return;
    const coordinator = coordinators.find((each) => each.epoch === epoch);
    if (!coordinator?.alive) return;
    if (coordinator.transaction) coordinator.inbox.push(coordinatorInput(participant.name, up));
    else if (up.type === "inquiry" || (up.type === "vote" && up.value === "commit")) answerFromLog(epoch, participant.name);
  }

  function coordinatorInput(participantId: ParticipantId, up: ToCoordinator): CoordinatorInput {
    switch (up.type) {
      case "vote":
        return { type: "vote", participantId, value: up.value, reason: up.reason, ...moment() };
      case "decision-ack":
        return { type: "ack", participantId, outcome: up.outcome, reason: up.reason, ...moment() };
      case "inquiry":
        return { type: "inquiry", participantId, ...moment() };
    }
  }

  /** As the driver does for a transaction that does not run. */
  function answerFromLog(epoch: number, name: ParticipantId): void {
    if (log && log.outcome === undefined) return;
    const outcome = log?.outcome ?? "aborted";
    sendDown(epoch, name, { type: "decision", transactionId, outcome, coordinatorEpoch: epoch, inReply: true });
  }

  /** A new coordinator on the same log. The old one dies, or lives on without knowing. */
  function replaceCoordinator(kill: boolean): void {
    if (kill) newest().alive = false;
    fence += 1;
    const unfinished = log && log.phase !== "COMPLETED" ? log : undefined;
    coordinators.push({
      epoch: fence,
      alive: true,
      transaction: unfinished,
      inbox: unfinished ? ["take-over"] : [],
      effects: [],
    });
  }

  function crashParticipant(actor: ParticipantActor): void {
    actor.session += 1;
    actor.preparing = false;
    actor.epoch = 0;
    actor.epochSeen = actor.record?.coordinatorEpoch ?? 0;
    actor.effects.length = 0;
    actor.inbox.length = 0;
    actor.transaction = actor.record && loadTransaction(actor.record);
    actor.inbox.push({ type: "recover", nowMs });
  }

  /** Hello and Welcome, with whoever coordinates now. */
  function connect(actor: ParticipantActor): void {
    const coordinator = newest();
    const old = coordinators.find(({ epoch }) => epoch === actor.epoch);
    if (old && old !== coordinator) old.inbox.push({ type: "disconnected", participantId: actor.name, ...moment() });
    actor.session += 1;
    actor.epoch = coordinator.epoch;
    actor.epochSeen = Math.max(actor.epochSeen, coordinator.epoch);
    const inDoubt = actor.transaction !== undefined && isInDoubt(actor.transaction);
    if (coordinator.transaction) coordinator.inbox.push({ type: "connected", participantId: actor.name, inDoubt, ...moment() });
    else if (inDoubt) answerFromLog(coordinator.epoch, actor.name);
  }

  const isBusy = (actor: CoordinatorActor | ParticipantActor): boolean => actor.inbox.length + actor.effects.length > 0;

  function timers(actor: CoordinatorActor): (() => void)[] {
    return [
      () => actor.inbox.push({ type: "prepare-timeout", ...moment() }),
      () => actor.inbox.push({ type: "client-abort", reason: "left", ...moment() }),
      ...participants.map(
        ({ name }) =>
          () =>
            actor.inbox.push({ type: "resend", participantId: name, ...moment() }),
      ),
    ];
  }

  /** What can happen now, by kind, with how often each kind is drawn. Mostly progress: it makes the failures interesting. */
  function possible(): { readonly weight: number; readonly actions: readonly (() => void)[] }[] {
    const take = (message: Message): void => {
      network = network.filter((each) => each !== message);
    };
    const alive = coordinators.filter((actor) => actor.alive);
    const kinds = [
      {
        weight: 55,
        actions: [
          ...alive.filter(isBusy).map((actor) => () => stepOfCoordinator(actor)),
          ...participants.filter(isBusy).map((actor) => () => stepOfParticipant(actor)),
          ...participants.filter((actor) => actor.preparing).map((actor) => () => prepared(actor)),
        ],
      },
      {
        weight: 25,
        actions: network.map((message) => () => {
          take(message);
          deliver(message);
        }),
      },
      { weight: 4, actions: network.map((message) => () => deliver(message)) },
      { weight: 2, actions: network.map((message) => () => take(message)) },
      { weight: 2, actions: alive.filter((actor) => actor.transaction).flatMap(timers) },
      { weight: 2, actions: participants.map((actor) => () => crashParticipant(actor)) },
      { weight: 5, actions: participants.map((actor) => () => connect(actor)) },
      { weight: 3, actions: participants.map((actor) => () => actor.inbox.push({ type: "inquire", nowMs })) },
      {
        weight: 1,
        actions: participants.map((actor) => () => actor.inbox.push({ type: "unilateral-abort", reason: "too slow", nowMs })),
      },
      { weight: coordinators.length < 4 ? 2 : 0, actions: [() => replaceCoordinator(true), () => replaceCoordinator(false)] },
    ];
    // The first three lose nothing and kill nobody.
    return (faults ? kinds : kinds.slice(0, 3)).filter(({ actions }) => actions.length > 0);
  }

  function settle(): void {
    for (let rounds = 0; rounds < 1_000; rounds += 1) {
      const message = network.shift();
      if (message) deliver(message);
      for (const actor of coordinators) while (actor.alive && isBusy(actor)) stepOfCoordinator(actor);
      for (const actor of participants) {
        if (actor.preparing) prepared(actor);
        while (isBusy(actor)) stepOfParticipant(actor);
      }
      if (network.length === 0 && !participants.some(({ preparing }) => preparing)) return;
    }
    throw new Error("it does not come to rest");
  }

  return {
    participants,
    /** `kind` and `which` are uniform in [0, 1). */
    act(kind: number, which: number) {
      const kinds = possible();
      const drawn = kinds.flatMap(({ weight, actions }) => Array.from({ length: weight }, () => actions));
      const actions = drawn[Math.floor(kind * drawn.length)] ?? [];
      actions[Math.floor(which * actions.length)]?.();
      nowMs += 100;
    },
    /** No more failures: the newest coordinator lives, all are connected, timers run. */
    heal() {
      for (const actor of coordinators) actor.alive = actor === newest() && actor.alive;
      if (!newest().alive) replaceCoordinator(true);
      for (const actor of participants) connect(actor);
      settle();
      for (let round = 0; round < 3; round += 1) {
        for (const timer of newest().transaction ? timers(newest()) : []) timer();
        for (const actor of participants) actor.inbox.push({ type: "inquire", nowMs });
        settle();
      }
    },
    get told() {
      return told;
    },
    get log() {
      return log;
    },
    get coordinator() {
      return newest();
    },
  };
}
