import type { CallerEnd, EndSignal } from "../../src/commit/ends.ts";
import type { CoordinatorActor, Coordinators } from "./coordinators.ts";
import type { Stage } from "./stage.ts";
import { isUnreadable } from "./unreadable.ts";

/** A call that gets no answer is given up. */
const clientTimeoutMs = 30_000;

const answeredBy = new WeakMap<object, CoordinatorActor>();

/** Whose answer it is, if it is one of a call. */
export const whoAnswered = (answer: object): CoordinatorActor | undefined => answeredBy.get(answer);

/** Whether the caller hangs up, and how soon. */
export type Leaving = { readonly chance: number; readonly withinMs: number };

/** One call of a coordinator, over a network: the request, the answer, or both may be lost; and the caller may leave. */
export function callCoordinator<Answer extends object>(
  stage: Stage,
  coordinators: Pick<Coordinators, "any" | "answered">,
  ask: (coordinator: CoordinatorActor, signal: EndSignal<CallerEnd>) => Promise<Answer>,
  leaving: Leaving = { chance: stage.swarm.leaving, withinMs: 3_000 },
  target: CoordinatorActor | undefined = coordinators.any(),
): Promise<Answer | "no answer"> {
  const { dice, tally, world, onFailure } = stage;
  return new Promise((resolve) => {
    const hangUp = new AbortController();
    if (dice.chance(leaving.chance)) {
      tally.count("clients that left");
      world.after(dice.between(0, leaving.withinMs), () => hangUp.abort({ type: "caller-left" } satisfies CallerEnd));
    }
    world.after(clientTimeoutMs, () => resolve("no answer"));
    if (!target?.ready) return void world.after(500, () => resolve("no answer"));
    target.process.after(dice.between(0, stage.swarm.network.delayMs), () => {
      ask(target, hangUp.signal).then(
        (answer) => {
          if (!target.process.alive) return;
          answeredBy.set(answer, target);
          coordinators.answered(target, answer);
          if (dice.chance(stage.swarm.network.loss)) return;
          world.after(dice.between(0, stage.swarm.network.delayMs), () => resolve(answer));
        },
        (error: unknown) => {
          if (!isUnreadable(error)) return onFailure(error);
          tally.count("calls of the coordinator refused: the log cannot be read");
          if (target.process.alive) world.after(dice.between(0, stage.swarm.network.delayMs), () => resolve("no answer"));
        },
      );
    });
  });
}
