import type { Principal } from "../kernel/principal.ts";
import type { Turns } from "../kernel/turns.ts";
import { methodRules } from "./core/methods.ts";
import { createPolicy, type Decision, type Grant } from "./core/policy.ts";
import { principalsKeptMax } from "./limits.ts";

/** Decides who may call what, by the grants of now. */
export type Authorization = {
  readonly decide: (principal: Principal, method: string) => Decision;
  /** From now on these count. Whoever follows is told. */
  readonly replace: (grants: readonly Grant[]) => void;
  /** Returns how it is told no more. */
  readonly follow: (changed: () => void) => () => void;
};

/** `turns`: thousands may follow, and each looks anew at what it may do. */
export function createAuthorization(
  first: readonly Grant[],
  ownParticipantId: string,
  turns: Turns = () => () => undefined,
): Authorization {
  let policy = createPolicy(first, ownParticipantId);
  const followers = new Set<() => void>();
  /** By what proved a name, too: what this process may, nobody may who has its name. */
  const kept = new Map<string, Map<string, Decision>>();

  async function tell(all: readonly (() => void)[]): Promise<void> {
    const breathe = turns();
    for (const changed of all) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      // It may have ended meanwhile.
      if (followers.has(changed)) changed();
    }
  }

  return {
    decide: (principal, method) => {
      const who = `${principal.by} ${principal.name}`;
      let decisions = kept.get(who);
      if (decisions === undefined) {
        if (kept.size >= principalsKeptMax) kept.clear();
        decisions = new Map();
        kept.set(who, decisions);
      }
      const known = decisions.get(method);
      if (known !== undefined) return known;
      const decision = policy.decide(principal, method);
      // What is no method is not kept: callers choose what stands in a path.
      if (methodRules.has(method)) decisions.set(method, decision);
      return decision;
    },
    replace: (grants) => {
      policy = createPolicy(grants, ownParticipantId);
      kept.clear();
      void tell([...followers]);
    },
    follow: (changed) => {
      followers.add(changed);
      return () => void followers.delete(changed);
    },
  };
}
