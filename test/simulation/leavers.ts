import type { CallerEnd, EndSignal } from "../../src/commit/ends.ts";
import type { Answer } from "../../src/commit/verbs.ts";
import type { CoordinatorActor } from "./coordinators.ts";
import type { Stage } from "./stage.ts";

type Call = { readonly askedAt: number; leftAt: number | undefined; isOver: boolean };

/** Holds the promise of `Driver.execute`: who leaves aborts the transaction, unless another call with the same request id still waits for it. */
export type Leavers = {
  /** One call of this coordinator. */
  execute(
    requestId: string,
    coordinator: CoordinatorActor,
    signal: EndSignal<CallerEnd>,
    call: () => Promise<Answer>,
  ): Promise<Answer>;
};

export function createLeavers({ fail, tally }: Stage): Leavers {
  const calls = new Map<CoordinatorActor, Map<string, Call[]>>();
  /** What happens, counted: a moment of the world's clock holds many. */
  let nowAt = 0;
  const next = (): number => {
    nowAt += 1;
    return nowAt;
  };

  function callsOf(coordinator: CoordinatorActor, requestId: string): Call[] {
    const byRequest = calls.get(coordinator) ?? new Map<string, Call[]>();
    const found = byRequest.get(requestId) ?? [];
    calls.set(coordinator, byRequest.set(requestId, found));
    return found;
  }

  return {
    async execute(requestId, coordinator, signal, execute) {
      const all = callsOf(coordinator, requestId);
      const askedAt = next();
      const call: Call = { askedAt, leftAt: signal.aborted ? askedAt : undefined, isOver: false };
      all.push(call);
      signal.addEventListener("abort", () => {
        if (call.isOver) return;
        call.leftAt = next();
        if (all.some(({ isOver, leftAt }) => !isOver && leftAt === undefined)) tally.count("callers that left another waiting");
      });
      const answer = await execute().finally(() => {
        call.isOver = true;
      });
      if (call.leftAt !== undefined || !coordinator.process.alive || !answer.ok) return answer;
      const { id, outcome, abortReason } = answer.value;
      if (outcome !== "aborted" || abortReason !== "the caller left before the decision") return answer;
      // Whoever left before this call may have aborted what it was then told of.
      if (all.every(({ leftAt }) => leftAt === undefined || leftAt > askedAt)) {
        fail(`LeaverAlone: ${id} was aborted by a caller that left while another waited for request ${requestId}`);
      }
      return answer;
    },
  };
}
