import type { RichServerError } from "nice-grpc-error-details";
import type { EndSignal } from "../commit/ends.ts";
import { Roster } from "../kernel/roster.ts";
import type { DurationMs } from "../kernel/time.ts";
import { within } from "../runtime/within.ts";
import { shuttingDown } from "./errors.ts";

/** A call that is cut off has this long to find words of its own: which transaction is pending, for which request. */
const lastWordMs: DurationMs = 200;

/** One unary call. */
export type CallUnderWay = {
  /** Its signal aborts, with this reason. */
  readonly abort: (reason: RichServerError) => void;
  /** It is answered with this, whatever its handler does. */
  readonly refuse: (reason: RichServerError) => void;
};

/** The calls of one service that are under way. */
export type Calls = {
  /** Aborts when the service leaves. The reason is what new calls, and streams that are open, are told. */
  readonly leaving: EndSignal<RichServerError>;
  /** Returns how it leaves again. A stream ends by `leaving`, and needs no more than to be counted. */
  readonly enter: (call: CallUnderWay | undefined) => () => void;
  /**
   * The bound that the handlers of such calls are beyond, if they are: those count too whose caller has left, while no connection counts
   * them any more.
   */
  readonly excess: (call: CallUnderWay | undefined) => number | undefined;
  /**
   * Takes no new calls, and ends open streams; unary calls that are still under way after `graceMs` are cut off, with an answer. Resolves
   * when none is under way, or has been told the end.
   */
  readonly leave: (graceMs: DurationMs) => Promise<void>;
};

type HandlerBounds = {
  readonly callsMax: number;
  /** Of watches, and as many sessions. */
  readonly streamsMax: number;
};

export function createCalls(bounds: HandlerBounds): Calls {
  const leaving = new AbortController();
  const over = Promise.withResolvers<void>();
  const unary = new Roster<CallUnderWay>();
  let underWay = 0;
  function settle(): void {
    if (underWay === 0 && leaving.signal.aborted) over.resolve();
  }
  return {
    leaving: leaving.signal,
    excess(call) {
      const [count, countMax] = call ? [unary.size, bounds.callsMax] : [underWay - unary.size, 2 * bounds.streamsMax];
      return count > countMax ? countMax : undefined;
    },
    enter: (call) => {
      underWay += 1;
      const entry = call && unary.enter(call);
      return () => {
        underWay -= 1;
        if (entry) unary.leave(entry);
        settle();
      };
    },
    leave: async (graceMs) => {
      leaving.abort(shuttingDown());
      settle();
      await within(graceMs, over.promise);
      for (const call of unary) call.abort(leaving.signal.reason);
      await within(lastWordMs, over.promise);
      for (const call of unary) call.refuse(leaving.signal.reason);
    },
  };
}
