import { type Phase, phases, type Transaction } from "../../src/commit/core/types.ts";
import type { TransactionId } from "../../src/kernel/ids.ts";
import type { TimeMs } from "../../src/kernel/time.ts";
import { allTransactions } from "./all-transactions.ts";
import type { CoordinatorActor, Coordinators } from "./coordinators.ts";
import { idle, type Room } from "./room.ts";
import type { Stage } from "./stage.ts";
import { isUnreadable } from "./unreadable.ts";

type Told = { readonly phase: Phase; readonly outcome: Transaction["outcome"]; readonly summary: string };

type Heard = { readonly outcome: Transaction["outcome"]; readonly atMs: TimeMs };

/** One watch of all transactions of one coordinator. */
type Watch = {
  readonly actor: CoordinatorActor;
  readonly sinceMs: TimeMs;
  /** What has a greater id has begun since. */
  readonly sinceId: TransactionId;
  readonly told: Map<TransactionId, Told>;
  isOver: boolean;
};

/** What changes without a change of the phase. Of what is over by itself, an acknowledgement that nobody waited for need not be recorded. */
function summaryOf({ phase, outcome, parts, resolution }: Transaction): string {
  const said = parts.map((part) => part.acknowledgedOutcome ?? (part.lost ? "lost" : "-"));
  const isOver = phase === "COMPLETED" && !resolution;
  return [phase, outcome, resolution && "resolved", ...(isOver ? [] : said)].join(" ");
}

const order = (phase: Phase): number => (phase === "ABORTING" ? phases.indexOf("COMMITTING") : phases.indexOf(phase));

/**
 * Those that watch all transactions, as fast or as slowly as they read. Phases only go forward in a watch, and outcomes stay; and what a
 * caller was told before the last progress, every watch of that coordinator had told by then.
 */
export function createWatchers(stage: Stage, coordinators: Coordinators): Room {
  const { dice, schedule, tally, world, fail } = stage;
  const watches = new Set<Watch>();
  /** When a caller of this coordinator heard the outcome. */
  const heard = new Map<CoordinatorActor, Map<TransactionId, Heard>>();

  function onTransaction(watch: Watch, transaction: Transaction): void {
    const { id, phase, outcome } = transaction;
    coordinators.told(watch.actor, transaction);
    const before = watch.told.get(id);
    const { name } = watch.actor.process;
    if (before && order(before.phase) > order(phase))
      fail(`WatchForward: a watch of ${name} tells ${id} ${before.phase}, then ${phase}`);
    if (before?.outcome !== undefined && before.outcome !== outcome) {
      fail(`DecisionStable: a watch of ${name} tells ${id} ${before.outcome}, then ${outcome}`);
    }
    watch.told.set(id, { phase, outcome, summary: summaryOf(transaction) });
    tally.count("watches: changes");
  }

  function onProgress(watch: Watch, asOfMs: TimeMs): void {
    tally.count("watches: progress");
    // The clock may have been set since it was read.
    const toldUpToMs = watch.actor.process.saidAtMs(asOfMs);
    for (const [id, { outcome, atMs }] of heard.get(watch.actor) ?? []) {
      // What was over before the watch began is not told.
      const mustKnow = (id > watch.sinceId || watch.told.has(id)) && atMs > watch.sinceMs;
      if (!mustKnow || atMs >= toldUpToMs || watch.told.get(id)?.outcome === outcome) continue;
      fail(`WatchComplete: a watch of ${watch.actor.process.name} has told all, and not that ${id} is ${outcome}`);
    }
  }

  async function watchAll(actor: CoordinatorActor, pauseMs: number, signal: AbortSignal): Promise<void> {
    const watch: Watch = {
      actor,
      sinceMs: schedule.nowMs,
      sinceId: coordinators.lastId,
      told: new Map(),
      isOver: false,
    };
    watches.add(watch);
    tally.count(pauseMs > 100 ? "watches: slow" : "watches: quick");
    const messages = actor.driver.watchAll({ wanted: undefined, progressIntervalMs: 1_000, signal });
    for (;;) {
      const next = await messages.next();
      if (!actor.process.alive) return;
      if (next.done) {
        watch.isOver = true;
        tally.count(`watches ended: ${next.value.type}`);
        return;
      }
      if (next.value.type === "transaction") onTransaction(watch, next.value.transaction);
      else if (next.value.asOfMs !== undefined) onProgress(watch, next.value.asOfMs);
      if (pauseMs > 0) await actor.process.sleep(dice.between(0, pauseMs));
    }
  }

  /** One transaction, until it is over. */
  async function watchOne(actor: CoordinatorActor): Promise<void> {
    const { transactions } = await actor.driver.list({ beforeId: undefined, limit: 5 });
    if (transactions.length === 0) return;
    const { id } = dice.pick(transactions);
    let last: Transaction | undefined;
    const stream = actor.driver.watch(id, new AbortController().signal);
    for (;;) {
      const next = await stream.next();
      if (!actor.process.alive) return;
      if (next.done) {
        if (next.value.type === "over" && last?.phase !== "COMPLETED")
          fail(`a watch of ${id} is over, and has told ${last?.phase}`);
        tally.count(`watches of one ended: ${next.value.type}`);
        return;
      }
      const { phase } = next.value;
      if (last && order(last.phase) > order(phase)) fail(`WatchForward: a watch of ${id} tells ${last.phase}, then ${phase}`);
      last = next.value;
    }
  }

  coordinators.onAnswer((actor, answer) => {
    if (typeof answer !== "object" || answer === null || !("ok" in answer) || !answer.ok || !("value" in answer)) return;
    const { id, outcome, coordinatorEpoch } = (answer.value ?? {}) as Partial<Transaction>;
    // Of what another has run, a watch of this one need not tell.
    if (id === undefined || outcome === undefined || coordinatorEpoch !== actor.driver.coordinator.coordinatorEpoch) return;
    const its = heard.get(actor) ?? new Map();
    heard.set(actor, its);
    if (!its.has(id)) its.set(id, { outcome, atMs: schedule.nowMs });
  });

  function onEnd(error: unknown): void {
    if (isUnreadable(error)) tally.count("watches ended: the log cannot be read");
    else stage.onFailure(error);
  }

  function watchSome(): void {
    const actor = coordinators.any();
    if (!actor?.ready) return;
    actor.process.enter(() => {
      if (dice.chance(0.5)) return void watchOne(actor).catch(onEnd);
      const left = new AbortController();
      if (dice.chance(0.2)) world.after(dice.between(0, 10_000), () => left.abort({ type: "caller-left" }));
      watchAll(actor, dice.pick([0, 10, 2_000]), left.signal).catch(onEnd);
    });
  }

  return {
    ...idle,
    open() {
      if (!dice.chance(0.5)) return;
      for (let left = dice.between(1, 6); left > 0; left -= 1) world.after(dice.between(0, stage.chaosMs), watchSome);
    },
    /** At rest, the last that a watch has told of each transaction is how it is. */
    async unsettled() {
      const found: string[] = [];
      for (const { actor, sinceId, told, isOver } of watches) {
        if (isOver || !actor.process.alive || actor.ending) continue;
        const { coordinatorEpoch } = actor.driver.coordinator;
        const gone = new Promise<undefined>((resolve) => actor.process.onKill(() => resolve(undefined)));
        const transactions = await Promise.race([allTransactions(actor.driver), gone]);
        if (transactions === undefined) continue;
        for (const transaction of transactions) {
          const { id, coordinatorEpoch: epoch } = transaction;
          const last = told.get(id)?.summary;
          const mustKnow = last !== undefined || (id > sinceId && epoch === coordinatorEpoch);
          const is = summaryOf(transaction);
          if (mustKnow && last !== is) found.push(`a watch of ${actor.process.name} has told ${id} ${last}, and it is ${is}`);
        }
      }
      return found;
    },
  };
}
