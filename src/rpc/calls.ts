import type { RichServerError } from "nice-grpc-error-details";
import type { EndSignal } from "../commit/ends.ts";
import { shuttingDown } from "./errors.ts";

/** The calls of one service that are under way. */
export type Calls = {
  /** Aborts when the service leaves. The reason is what new calls, and streams that are open, are told. */
  readonly leaving: EndSignal<RichServerError>;
  readonly entered: () => void;
  readonly ended: () => void;
  /** Takes no new calls, and ends open streams. Resolves when none is under way. */
  readonly leave: () => Promise<void>;
};

export function createCalls(): Calls {
  const leaving = new AbortController();
  const over = Promise.withResolvers<void>();
  let underWay = 0;
  function settle(): void {
    if (underWay === 0 && leaving.signal.aborted) over.resolve();
  }
  return {
    leaving: leaving.signal,
    entered: () => {
      underWay += 1;
    },
    ended: () => {
      underWay -= 1;
      settle();
    },
    leave: () => {
      leaving.abort(shuttingDown());
      settle();
      return over.promise;
    },
  };
}
