import type { Transaction } from "../../src/commit/core/types.ts";
import type { CallerEnd, EndSignal } from "../../src/commit/ends.ts";
import type { Asked, VerbFailure } from "../../src/commit/verbs.ts";
import type { ParticipantId, RequestId, TransactionId } from "../../src/kernel/ids.ts";
import type { RequestKey } from "../../src/kernel/request-key.ts";
import type { Result } from "../../src/kernel/result.ts";
import { callCoordinator, whoAnswered } from "./calls.ts";
import type { CoordinatorActor, Coordinators } from "./coordinators.ts";
import type { Ledger, Order } from "./ledger.ts";
import { type Orders, payloadOf } from "./orders.ts";
import { type Behaviour, behaviours } from "./resource.ts";
import { idle, type Room } from "./room.ts";
import type { Stage } from "./stage.ts";

type Answer = Result<Transaction, VerbFailure>;
type Ask = (coordinator: CoordinatorActor, signal: EndSignal<CallerEnd>) => Promise<Answer>;

/** A client that hears nothing of use so often asks no more. What it has begun ends without it. */
const tryCountMax = 12;

/** Those that begin a transaction, enlist its work as it happens, and commit it, abort it, or go away. */
export function createInteractiveClients(
  stage: Stage,
  options: {
    readonly participants: readonly string[];
    readonly coordinators: Coordinators;
    readonly orders: Orders;
    readonly ledger: Ledger;
  },
): Room {
  const { participants, coordinators, orders, ledger } = options;
  const { dice, tally, world, say, fail, onFailure } = stage;
  let open = 0;

  const key = (order: Order, verb: string): RequestKey => ({
    id: `r${order.number}-${verb}` as RequestId,
    digest: verb,
  });
  const asked = (order: Order, verb: string): Asked => ({
    reason: "",
    requestedBy: "client",
    request: dice.chance(0.5) ? key(order, verb) : undefined,
  });

  /** Until there is an answer that no other try would change. */
  async function insist(verb: string, ask: Ask): Promise<Answer | undefined> {
    for (let tries = 1; tries <= tryCountMax; tries += 1) {
      const answer = await callCoordinator(stage, coordinators, ask);
      if (answer !== "no answer" && answer.ok) {
        tally.count(`verbs answered: ${verb}`);
        say(`client  ${verb}: ${answer.value.id} is ${answer.value.phase}`);
        return answer;
      }
      const why = answer === "no answer" ? answer : answer.error.type;
      tally.count(`verbs answered: ${verb} ${why}`);
      if (why === "request-id-reused") fail(`${verb} is refused as another request with the same id`);
      if (why === "defect") fail(`${verb} meets a defect`);
      if (answer !== "no answer" && (why === "not-found" || why === "refused")) return answer;
      await world.sleep(dice.between(100, 3_000));
    }
    return undefined;
  }

  function hear(id: TransactionId, answer: Answer | undefined, order: Order): void {
    if (!answer) return;
    if (answer.ok) ledger.onTold(answer.value, order);
    else if (answer.error.type === "not-found") ledger.onNotFound(id, whoAnswered(answer));
    else if (answer.error.type === "refused") ledger.onTold(answer.error.transaction, order);
    say(`client  hears ${id} ${answer.ok ? (answer.value.outcome ?? answer.value.phase) : answer.error.type}`);
  }

  /** True if all of it is enlisted. */
  async function enlist(id: TransactionId, order: Order): Promise<boolean> {
    for (const name of order.parts.keys()) {
      await world.sleep(dice.between(0, 2_000));
      const part = { participantId: name as ParticipantId, payload: payloadOf(order) };
      const request = { ...asked(order, `enlist-${name}`), request: key(order, `enlist-${name}`) };
      const answer = await insist("enlist", ({ driver }) => driver.enlist(id, part, request));
      if (answer?.ok) continue;
      hear(id, answer, order);
      return false;
    }
    return true;
  }

  async function run(order: Order): Promise<void> {
    const idleTimeoutMs = dice.pick([1_000, 5_000, 30_000]);
    const prepareTimeoutMs = dice.between(500, 8_000);
    const waitForParticipantsMs = dice.pick([0, 5_000]);
    const begun = await insist("begin", ({ driver }) =>
      driver.begin({
        ...asked(order, "begin"),
        request: key(order, "begin"),
        prepareTimeoutMs,
        waitForParticipantsMs,
        idleTimeoutMs,
      }),
    );
    if (!begun?.ok) return;
    const { id } = begun.value;
    hear(id, begun, order);
    if (begun.value.outcome !== undefined) return;
    say(`client  has begun ${id}`);
    const isWhole = await enlist(id, order);
    const ending = dice.pick(
      isWhole ? (["commit", "commit", "commit", "abort", "leave"] as const) : (["abort", "leave"] as const),
    );
    if (ending === "leave") return tally.count("transactions left to their idle timeout");
    const request = asked(order, ending);
    const ended = await insist(ending, ({ driver }, signal) =>
      ending === "commit" ? driver.commit(id, request, signal) : driver.abort(id, request),
    );
    hear(id, ended, order);
    if (ending === "commit" && ended?.ok && ended.value.outcome === undefined) fail(`the commit of ${id} is answered undecided`);
  }

  return {
    ...idle,
    open() {
      if (!dice.chance(0.5)) return;
      for (let left = dice.between(1, 8); left > 0; left -= 1) {
        const names = participants.filter(() => dice.chance(0.6));
        const draw = (): Behaviour => (dice.chance(0.9) ? "commit" : dice.pick(behaviours));
        const order = orders.add(new Map(names.map((name) => [name, draw()])), false);
        world.after(dice.between(0, stage.chaosMs), () => {
          open += 1;
          run(order).then(() => {
            open -= 1;
          }, onFailure);
        });
      }
    },
    unsettled: async () => (open > 0 ? [`${open} interactive clients wait`] : []),
  };
}
