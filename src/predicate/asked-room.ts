import type { JudgeFailure } from "./errors.ts";
import { askedBytesMax, askedCountMax, callerShare } from "./limits.ts";

type Amount = { readonly count: number; readonly bytes: number };

const nothing: Amount = { count: 0, bytes: 0 };

/** Room for what is asked, of all callers together and of each. Who gets room gives it back. */
export function createAskedRoom() {
  let all = nothing;
  /** Only of those who have asked for something. */
  const ofCallers = new Map<string, Amount>();

  return {
    /** Nothing: there is room, and it is taken. */
    take(caller: string, asked: Amount): JudgeFailure | undefined {
      const mine = plus(ofCallers.get(caller) ?? nothing, asked);
      const together = plus(all, asked);
      const refusal = excess(together, 1, "") ?? excess(mine, callerShare, " of one caller");
      if (refusal !== undefined) return refusal;
      all = together;
      ofCallers.set(caller, mine);
      return undefined;
    },

    giveBack(caller: string, asked: Amount): void {
      all = minus(all, asked);
      const mine = minus(ofCallers.get(caller) ?? nothing, asked);
      if (mine.count > 0) ofCallers.set(caller, mine);
      else ofCallers.delete(caller);
    },
  };
}

function excess({ count, bytes }: Amount, share: number, whose: "" | " of one caller"): JudgeFailure | undefined {
  const [countMax, bytesMax] = [askedCountMax * share, askedBytesMax * share];
  if (count > countMax) return { type: "overloaded", what: `checks${whose}`, limit: countMax };
  if (bytes > bytesMax) return { type: "overloaded", what: `bytes of checks${whose}`, limit: bytesMax };
  return undefined;
}

const plus = (a: Amount, b: Amount): Amount => ({ count: a.count + b.count, bytes: a.bytes + b.bytes });
const minus = (a: Amount, b: Amount): Amount => ({ count: a.count - b.count, bytes: a.bytes - b.bytes });
