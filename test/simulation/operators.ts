import { owesAck, type Transaction } from "../../src/commit/core/types.ts";
import type { Driver } from "../../src/commit/driver.ts";
import type { Asked, VerbFailure } from "../../src/commit/verbs.ts";
import type { ParticipantId, TransactionId } from "../../src/kernel/ids.ts";
import type { Result } from "../../src/kernel/result.ts";
import type { TimeMs } from "../../src/kernel/time.ts";
import { callCoordinator, whoAnswered } from "./calls.ts";
import type { CoordinatorActor, Coordinators } from "./coordinators.ts";
import type { Ledger } from "./ledger.ts";
import { idle, type Room } from "./room.ts";
import type { Stage } from "./stage.ts";

const asked: Asked = { reason: "it stays", requestedBy: "operator", request: undefined };

type Verb = (driver: Driver, transaction: Transaction) => Promise<Result<Transaction, VerbFailure>>;

/** Those that look at what there is, and end what does not end by itself: with each verb, at any time, also where it is refused. */
export function createOperators(
  stage: Stage,
  options: { readonly participants: readonly string[]; readonly coordinators: Coordinators; readonly ledger: Ledger },
): Room {
  const { participants, coordinators, ledger } = options;
  const { dice, tally, world, say, fail, onFailure, draw } = stage;
  /** Whoever guesses makes it hard to see whether the protocol keeps its promises: in half of the worlds, nobody does. */
  const resolving = draw(0.5);
  const meddling = draw(1);
  let busy = 0;

  const verbs: Readonly<Record<string, Verb>> = {
    abort: (driver, { id }) => driver.abort(id, asked),
    // While work is enlisted, only its client knows when that is whole.
    commit: (driver, { id, idleTimeoutMs }) => (idleTimeoutMs === undefined ? driver.commit(id, asked) : driver.retry(id, asked)),
    forget: (driver, { id }) => driver.forget(id, asked),
    get: (driver, { id }) => driver.get(id),
    retry: (driver, { id }) => driver.retry(id, asked),
  };

  function resolve(driver: Driver, transaction: Transaction): ReturnType<Verb> {
    const { id } = transaction;
    ledger.onResolving(transaction);
    return driver.resolve(id, dice.pick(["committed", "aborted"] as const), asked);
  }

  function hear(verb: string, id: TransactionId, answer: Awaited<ReturnType<Verb>>, askedAtMs: TimeMs): void {
    const why = answer.ok ? "" : ` ${answer.error.type}`;
    tally.count(`operators: ${verb}${why}`);
    say(`operator  ${verb} ${id}${why}`);
    if (answer.ok && answer.value.id !== id) fail(`${verb} ${id} is answered with ${answer.value.id}`);
    // What a lone participant has decided, a successor asks for again.
    const isOpen = answer.ok && answer.value.outcome === undefined && answer.value.parts.length > 1;
    if (isOpen) ledger.onUndecided(id, askedAtMs);
    if (answer.ok) ledger.onTold(answer.value);
    else if (answer.error.type === "not-found") ledger.onNotFound(id, whoAnswered(answer));
    else if (answer.error.type === "refused") ledger.onTold(answer.error.transaction);
    else if (answer.error.type === "defect") fail(`${verb} ${id} meets a defect`);
  }

  async function forgetParticipant(): Promise<void> {
    const participantId = dice.pick(participants) as ParticipantId;
    const answer = await callCoordinator(stage, coordinators, ({ driver }) => driver.forgetParticipant(participantId, asked));
    tally.count(`operators: forget participant ${answer === "no answer" || answer.ok ? "" : answer.error.type}`.trimEnd());
  }

  /** Looks again and again at one: until it knows how that ended, or the one that was replaced does not answer. */
  async function poll(where: () => CoordinatorActor | undefined, first = coordinators.lastId): Promise<void> {
    let id = first;
    const pauseMs = dice.pick([20, 400]);
    for (let left = 12; left > 0; left -= 1) {
      let askedAtMs = stage.schedule.nowMs;
      const get = ({ driver }: CoordinatorActor): ReturnType<Driver["get"]> => {
        askedAtMs = stage.schedule.nowMs;
        return driver.get(id);
      };
      const answer = await callCoordinator(stage, coordinators, get, undefined, where());
      if (answer === "no answer") return;
      hear("get", id, answer, askedAtMs);
      if (answer.ok ? answer.value.outcome !== undefined : answer.error.type === "fenced") return;
      if (!answer.ok) id = coordinators.lastId;
      await world.sleep(dice.between(1, pauseMs));
    }
  }

  async function act(): Promise<void> {
    if (dice.chance(0.1)) return forgetParticipant();
    if (dice.chance(0.3)) {
      tally.count("operators: poll");
      return poll(coordinators.any);
    }
    const page = await callCoordinator(stage, coordinators, async ({ driver }) =>
      driver.list({ beforeId: undefined, limit: dice.pick([5, 1_000]) }),
    );
    if (page === "no answer" || page.transactions.length === 0) return;
    tally.count("operators: list");
    for (const transaction of page.transactions) ledger.onTold(transaction);
    const stuck = page.transactions.filter(isStuck);
    const mayResolve = stuck.length > 0 && dice.chance(resolving);
    const transaction = dice.pick(mayResolve || (stuck.length > 0 && dice.chance(0.5)) ? stuck : page.transactions);
    // Of what is over, and of what nobody should have begun to resolve: refused.
    const [name, verb] =
      mayResolve || dice.chance(resolving / 10) ? (["resolve", resolve] as const) : dice.pick(Object.entries(verbs));
    say(`operator  will ${name} ${transaction.id}, which is ${transaction.phase}`);
    let askedAtMs = stage.schedule.nowMs;
    const answer = await callCoordinator(stage, coordinators, ({ driver }) => {
      askedAtMs = stage.schedule.nowMs;
      return verb(driver, transaction);
    });
    if (answer !== "no answer") hear(name, transaction.id, answer, askedAtMs);
  }

  function begin(work: () => Promise<void>): void {
    busy += 1;
    work().then(() => {
      busy -= 1;
    }, onFailure);
  }

  coordinators.onTakeOver(() => {
    if (!stage.strikes(meddling)) return;
    tally.count("operators: poll who was replaced");
    begin(() => poll(coordinators.replaced));
  });

  // About to be decided.
  stage.onMessage((_, message) => {
    if (message.type !== "vote" || !stage.strikes(meddling / 4)) return;
    tally.count("operators: poll what is voted on");
    begin(() => poll(coordinators.any, message.transactionId));
  });

  return {
    ...idle,
    open() {
      for (let left = Math.round(meddling * 30); left > 0; left -= 1) {
        world.after(dice.between(0, stage.chaosMs), () => begin(act));
      }
    },
    unsettled: async () => (busy > 0 ? [`${busy} operators wait`] : []),
  };
}

/** It waits for a participant. */
const isStuck = (transaction: Transaction): boolean =>
  transaction.phase !== "COMPLETED" &&
  (transaction.outcome === undefined || transaction.parts.some((part) => owesAck(transaction, part)));
