import type { Clock } from "../kernel/clock.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import type { DurationMs } from "../kernel/time.ts";
import { orLeft } from "./calls.ts";
import { rivalTurnMsMax } from "./limits.ts";

type Waiting = { readonly age: number; readonly go: () => void };

export type Rivals = ReturnType<typeof createRivals>;

/**
 * Those in this process who change the same workflow, whatever its version. As long as nobody loses, all go at once. Once somebody has lost,
 * they stand in line, the oldest first, until nobody waits any more: else who asks the engine longest would lose to newcomers for ever. A turn
 * is no lock: it is handed on when it lasts too long, and what decides is still the version that is written over.
 */
export function createRivals({ setTimer }: Pick<Clock, "setTimer">, turnMs: DurationMs = rivalTurnMsMax) {
  const lines = new Map<WorkflowId, Waiting[]>();
  let newest = 0;

  /** In the order of age; most come last. */
  function join(line: Waiting[], one: Waiting): void {
    const before = line.findLastIndex(({ age }) => age < one.age);
    line.splice(before + 1, 0, one);
  }

  function next(workflowId: WorkflowId, line: Waiting[]): void {
    const first = line.shift();
    if (first === undefined) lines.delete(workflowId);
    else first.go();
  }

  return {
    /** Of one who comes now. Those who have come before are older, however often they try. */
    age(): number {
      newest += 1;
      return newest;
    },

    /** Runs it when its turn comes, at once if there is no line. Nothing: the signal has aborted before. */
    async inTurn<T>(
      workflowId: WorkflowId,
      { age, hasLost }: { readonly age: number; readonly hasLost: boolean },
      signal: AbortSignal,
      run: () => Promise<T>,
    ): Promise<T | undefined> {
      const present = lines.get(workflowId);
      if (present === undefined && !hasLost) return run();
      const line = present ?? [];
      if (present === undefined) {
        lines.set(workflowId, line);
      } else {
        const turn = Promise.withResolvers<true>();
        const waiting = { age, go: () => turn.resolve(true) };
        join(line, waiting);
        const isMyTurn = await orLeft(signal, turn.promise);
        if (isMyTurn === undefined) {
          const place = line.indexOf(waiting);
          // Its turn has come at the same time: nobody else would hand it on.
          if (place < 0) next(workflowId, line);
          else line.splice(place, 1);
          return undefined;
        }
      }
      let isMine = true;
      const handOn = (): void => {
        if (isMine) next(workflowId, line);
        isMine = false;
      };
      const cancel = setTimer(turnMs, handOn);
      try {
        return await run();
      } finally {
        cancel();
        handOn();
      }
    },
  };
}
