import type { Principal } from "../kernel/principal.ts";
import { systemPrefix } from "../kernel/system-actor.ts";
import type { DurationMs } from "../kernel/time.ts";
import { begin, draw, type Excess, isIdle, type Kept, type QuotaSetting, type Usage, unused } from "./core/quota.ts";
import { isLikeOne } from "./core/scope.ts";
import { countedPrincipalCountMax } from "./limits.ts";

/** A call that counts against the quota of its principal, until it leaves. `received`: undefined, if nobody counts bytes. */
export type Counted = { readonly leave: () => void; readonly received: ((bytes: number) => void) | undefined };

/** What there is for each principal, so that one at its limit takes nothing from another. */
export type Quotas = {
  /** Undefined: nothing is counted of this principal. */
  readonly enter: (principal: Principal, kind: "calls" | "streams") => Counted | Excess | undefined;
  /** Of a question on a stream that has entered: what keeps it from being asked. Undefined: nothing, and it counts as a call that begins. */
  readonly ask: (principal: Principal) => Excess | undefined;
  /** How many of a kind there may be that this principal has created. Undefined: as many as there may be of all. */
  readonly most: (name: string, what: Kept) => number | undefined;
  /** What is under way counts on. */
  readonly replace: (settings: readonly QuotaSetting[]) => void;
};

type Known = { readonly usage: Usage; setting: QuotaSetting };

export function createQuotas(first: readonly QuotaSetting[], monotonicMs: () => DurationMs): Quotas {
  let settings = first;
  const known = new Map<string, Known>();
  let sweepsAt = countedPrincipalCountMax;

  const settingOf = (name: string): QuotaSetting | undefined => settings.find(({ principals }) => isLikeOne(name, principals));

  function find(name: string): Known | undefined {
    const before = known.get(name);
    if (before !== undefined) return before;
    const setting = settingOf(name);
    if (setting === undefined) return undefined;
    if (known.size >= sweepsAt) sweep();
    const made = { setting, usage: unused(setting, monotonicMs()) };
    known.set(name, made);
    return made;
  }

  function sweep(): void {
    for (const [name, { usage, setting }] of known) if (isIdle(usage, setting, monotonicMs())) known.delete(name);
    // Not with each call, while they are all busy.
    sweepsAt = Math.max(countedPrincipalCountMax, 2 * known.size);
  }

  function counted({ name, by }: Principal): Known | undefined {
    // What a process asks of itself, it does for callers that have been counted.
    return settings.length === 0 || by === "process" ? undefined : find(name);
  }

  return {
    ask: (principal) => {
      const its = counted(principal);
      return its && draw(its.usage, its.setting, monotonicMs());
    },
    enter: (principal, kind) => {
      const its = counted(principal);
      if (its === undefined) return undefined;
      const { usage, setting } = its;
      const excess = begin(usage, setting, kind, monotonicMs());
      if (excess !== undefined) return excess;
      return {
        leave: () => {
          usage[kind] -= 1;
        },
        received:
          setting.bytesPerSecond === undefined
            ? undefined
            : (bytes) => {
                usage.bytes.level -= bytes;
              },
      };
    },
    // What a server is by itself is no principal.
    most: (name, what) => (name.startsWith(systemPrefix) ? undefined : find(name)?.setting[what]),
    replace: (changed) => {
      settings = changed;
      for (const [name, its] of known) {
        const setting = settingOf(name);
        if (setting === undefined) known.delete(name);
        else its.setting = setting;
      }
    },
  };
}
