import { ClientError } from "nice-grpc-common";
import { type PredicateLogicClient, PredicateLogicDefinition } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import type { DurationMs } from "../../../src/kernel/time.ts";
import { clientFailure } from "../../../src/rpc/errors.ts";
import { createCable } from "../network.ts";
import { idle, type Room } from "../room.ts";
import type { Stage } from "../stage.ts";
import type { EngineRoom } from "./engine.ts";
import type { Rpc } from "./rpc.ts";
import { createRuleRequest, simulatedRules } from "./rules.ts";

/** Told of each change of the rules whose caller has been answered. */
export type OnRuleChange = (revision: number) => void;

/** Creates the rules, and then turns them on and off. */
export function createRuleClients(
  stage: Stage,
  options: {
    readonly rpc: Rpc;
    readonly engine: Pick<EngineRoom, "served">;
    readonly often: number;
    readonly onChange: OnRuleChange;
  },
): Room {
  const { rpc, engine, often, onChange } = options;
  const { dice, tally, world, say, onFailure } = stage;
  const client = rpc.client<PredicateLogicClient<{ readonly deadline?: DurationMs }>>({
    ...{ from: world, cable: createCable(), definition: PredicateLogicDefinition, server: engine.served, mayRepeat: true },
  });
  let open = 0;
  let made = 0;

  /** Until it is answered: what was asked for is so then, by this request or before it. */
  async function untilAnswered(
    what: string,
    ask: (asked: { readonly requestId: string; readonly reason: string; readonly requestedBy: string }) => Promise<object>,
  ): Promise<void> {
    made += 1;
    const asked = { requestId: `rule${made}`, reason: "a world", requestedBy: "rules" };
    for (;;) {
      try {
        const answer = await ask(asked);
        const ruleSetRevision = "ruleSetRevision" in answer ? Number(answer.ruleSetRevision) : undefined;
        say(`rules  ${what}${ruleSetRevision === undefined ? "" : `: revision ${ruleSetRevision}`}`);
        if (ruleSetRevision !== undefined) onChange(ruleSetRevision);
        return;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        const { reason } = clientFailure(error);
        tally.count(`rule clients told: ${reason ?? "no answer"}`);
        if (reason !== undefined && reason !== "STORAGE_UNAVAILABLE") return;
        await world.sleep(dice.between(100, 5_000));
      }
    }
  }

  const options30 = { deadline: 30_000 };

  async function change(): Promise<void> {
    for (const rule of simulatedRules) {
      if (!dice.chance(0.6)) continue;
      await untilAnswered(`create ${rule.ruleId}`, (asked) =>
        client.createRule({ ...createRuleRequest(rule), ...asked }, options30),
      );
      await untilAnswered(`activate ${rule.ruleId}`, (asked) =>
        client.activateRule({ ruleId: rule.ruleId, ...asked }, options30),
      );
      while (!stage.isCalm && dice.chance(often)) {
        await world.sleep(dice.between(0, 15_000));
        await untilAnswered(`deactivate ${rule.ruleId}`, (asked) =>
          client.deactivateRule({ ruleId: rule.ruleId, ...asked }, options30),
        );
        await world.sleep(dice.between(0, 5_000));
        await untilAnswered(`activate ${rule.ruleId}`, (asked) =>
          client.activateRule({ ruleId: rule.ruleId, ...asked }, options30),
        );
      }
    }
  }

  async function begin(): Promise<void> {
    open += 1;
    await change();
    open -= 1;
  }

  return {
    ...idle,
    open: () => void world.after(dice.between(0, stage.chaosMs / 10), () => void begin().catch(onFailure)),
    unsettled: async () => (open > 0 ? ["a change of the rules waits"] : []),
  };
}
