import type { Transaction } from "../../src/commit/core/types.ts";
import type { CallerEnd, EndSignal } from "../../src/commit/ends.ts";
import type { Answer, ExecuteRequest } from "../../src/commit/verbs.ts";
import type { ParticipantId, RequestId } from "../../src/kernel/ids.ts";
import { callCoordinator, type Leaving } from "./calls.ts";
import type { CoordinatorActor, Coordinators } from "./coordinators.ts";
import { createLeavers } from "./leavers.ts";
import type { Ledger, Order } from "./ledger.ts";
import { type Orders, payloadOf } from "./orders.ts";
import { type Behaviour, behaviours } from "./resource.ts";
import { idle, type Room } from "./room.ts";
import type { Stage } from "./stage.ts";

/**
 * A client gives up when nothing fails and it still gets no decision: the lone participant of its transaction is too slow. Half a minute or
 * so more than a process may still be stopped: what was committed must be told again by then.
 */
const calmCallCountMax = 40;

/** Those that execute transactions, and those of them that call again until they know. */
export function createTransactionClients(
  stage: Stage,
  options: {
    readonly participants: readonly string[];
    readonly coordinators: Coordinators;
    readonly orders: Orders;
    readonly ledger: Ledger;
    readonly isAway: (participant: string) => boolean;
    /** They are in a hurry, and do not wait. */
    readonly isHasty: boolean;
  },
): Room {
  const { participants, isAway, isHasty, coordinators, orders, ledger } = options;
  const { dice, tally, world, say, fail, onFailure } = stage;
  const drawn = stage.draw(0.3);
  const hurry = isHasty ? 0.7 : drawn;
  const leavers = createLeavers(stage);
  let open = 0;

  const requestOf = (order: Order, waitForParticipantsMs: number): ExecuteRequest => ({
    enlistments: [...order.parts.keys()].map((name) => ({
      participantId: name as ParticipantId,
      payload: payloadOf(order),
    })),
    prepareTimeoutMs: dice.between(500, 8_000),
    waitForParticipantsMs,
    request: order.requestId === undefined ? undefined : { id: order.requestId as RequestId, digest: order.requestId },
    reason: "",
    requestedBy: "client",
  });

  function callOnce(order: Order, waitForParticipantsMs: number, leaving?: Leaving): Promise<Answer | "no answer"> {
    const ask = (coordinator: CoordinatorActor, signal: EndSignal<CallerEnd>): Promise<Answer> => {
      const execute = (): Promise<Answer> => coordinator.driver.execute(requestOf(order, waitForParticipantsMs), signal);
      return order.requestId === undefined ? execute() : leavers.execute(order.requestId, coordinator, signal, execute);
    };
    return callCoordinator(stage, coordinators, ask, leaving);
  }

  function hear(transaction: Transaction, order: Order): void {
    const { id, outcome } = transaction;
    say(`client  hears ${id} ${outcome}`);
    if (outcome === undefined) fail(`the client is told that ${id} is undecided`);
    ledger.onTold(transaction, order);
    tally.count(`clients told: ${outcome}`);
    if (order.parts.size === 0) tally.count("empty transactions");
  }

  /** Until there is a decision, if it may call again. */
  async function execute(order: Order, waitForParticipantsMs: number): Promise<Transaction | undefined> {
    let calmCalls = 0;
    for (;;) {
      if (stage.isCalm) calmCalls += 1;
      // Whoever is in a hurry asks twice, and does not wait for both.
      if (order.requestId !== undefined && stage.strikes(hurry)) {
        tally.count("calls made twice at once");
        const leaving = { chance: isHasty || stage.swarm.leaving > 0 ? 0.5 : 0, withinMs: dice.pick([100, 1_000]) };
        void callOnce(order, waitForParticipantsMs, leaving).then((second) => {
          if (second !== "no answer" && second.ok) hear(second.value, order);
        }, onFailure);
      }
      const answer = await callOnce(order, waitForParticipantsMs);
      if (answer !== "no answer" && answer.ok) {
        hear(answer.value, order);
        return answer.value;
      }
      const why = answer === "no answer" ? answer : answer.error.type;
      tally.count(`clients told: ${why}`);
      if (why === "request-id-reused") fail(`request ${order.requestId} is new, and refused as used`);
      if (order.requestId === undefined || calmCalls >= calmCallCountMax) return undefined;
      tally.count("calls repeated");
      await world.sleep(dice.between(100, 3_000));
    }
  }

  async function run(order: Order): Promise<void> {
    const first = await execute(order, dice.pick([0, 0, 5_000]));
    if (order.requestId === undefined || !dice.chance(0.3)) return;
    await world.sleep(dice.between(0, 20_000));
    const second = await execute(order, 0);
    tally.count("calls repeated after an answer");
    const binds = [...order.parts.values()].some((behaviour) => behaviour === "commit" || behaviour === "slow");
    // What a lone participant has decided, who is away since, may be known to nobody else yet.
    const isAwaited = second === undefined && stage.isPartial;
    if (first?.outcome === "committed" && binds && !isAwaited && second?.id !== first.id) {
      fail(`request ${order.requestId} was committed as ${first.id}; its repetition is ${second?.id}`);
    }
  }

  async function begin(order: Order): Promise<void> {
    open += 1;
    await run(order);
    open -= 1;
  }

  const partsOf = (names: readonly string[], behaviour: () => Behaviour): ReadonlyMap<string, Behaviour> =>
    new Map(names.map((name) => [name, behaviour()]));

  return {
    ...idle,
    open() {
      const yes = dice.pick([0.5, 0.8, 1]);
      for (let left = Math.ceil(dice.between(5, 30) * stage.load); left > 0; left -= 1) {
        const chosen = participants.filter(() => dice.chance(0.7));
        const names = dice.chance(0.2) ? chosen.slice(0, 1) : chosen;
        const parts = partsOf(names, () => (dice.chance(yes) ? "commit" : dice.pick(behaviours)));
        const order = orders.add(parts, dice.chance(0.7));
        world.after(dice.between(0, stage.chaosMs), () => void begin(order).catch(onFailure));
      }
    },
    unsettled: async () => (open > 0 ? [`${open} clients wait`] : []),
    async probe() {
      const present = participants.filter((name) => !isAway(name));
      const parts = partsOf(present, () => "commit");
      const probed = await execute(orders.add(parts, true), 30_000);
      return probed?.outcome === "committed";
    },
  };
}
