import type { Clock } from "../kernel/clock.ts";
import { firstCharacters } from "../kernel/text.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { AuditFields } from "./audit-chain.ts";

/** A call, as an audit log tells it. */
export type AuditedCall = {
  /** Such as `concord.workflow.v1.WorkflowService/PurgeWorkflows`. */
  readonly method: string;
  /** Who called, as far as it was proved. Empty: nobody knows. */
  readonly principal: string;
  readonly address: string;
  /** Its `x-request-id`, as in the log of the process. */
  readonly call?: string | undefined;
  /** What it is about, and in whose words: ids, names, `requested_by` and `reason`; no payload, no metadata. */
  readonly about?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
};

/** How a call has ended: the code of its status, and the reason of its ErrorInfo. */
export type AuditedOutcome = { readonly code: string; readonly error?: string | undefined };

/** Who is told of what an audit log is to have. Never throws, and nobody waits for it. */
export type Audit = {
  /** A call that was refused because of who makes it. */
  denied(call: AuditedCall, outcome: AuditedOutcome): void;
  /** A change by an operator, or an author of rules, has ended: was made, or not. */
  changed(call: AuditedCall, outcome: AuditedOutcome): void;
  /** From now on this counts of who may do what: a file, and the SHA-256 of what it says. */
  granted(access: { readonly file: string; readonly sha256: string }): void;
};

export const noAudit: Audit = { denied: () => undefined, changed: () => undefined, granted: () => undefined };

/** What fails can be had as often as anybody likes. So of each principal, and of all that nobody knows together, so many lines are told in this time; the rest is counted. */
export const failedSpellMs: DurationMs = 60_000;
export const failedLinesMax = 30;

/** Principals whose failed calls are counted by themselves. All others share one count. */
export const failedSpellsMax = 100;

/** Of one count, the methods that are named. */
export const failedKindsMax = 50;

/** Of a call with many items, those that are named. */
export const itemsNamedMax = 20;

/** A path can be as long as all headers together. */
const textLengthMax = 256;

type Spell = { lines: number; omitted: number; readonly since: string; readonly kinds: Map<string, number> };

export function createAudit({
  append,
  clock,
}: {
  readonly append: (fields: AuditFields) => void;
  readonly clock: Pick<Clock, "nowMs" | "setTimer">;
}): Audit & { close(): void } {
  const spells = new Map<string, Spell>();
  const timers = new Set<() => void>();

  function spellOf(principal: string): Spell {
    const isNew = !spells.has(principal) && spells.size >= failedSpellsMax;
    const key = isNew ? othersKey : principal;
    const known = spells.get(key);
    if (known !== undefined) return known;
    const spell: Spell = { lines: 0, omitted: 0, since: new Date(clock.nowMs()).toISOString(), kinds: new Map() };
    spells.set(key, spell);
    const cancel = clock.setTimer(failedSpellMs, () => {
      timers.delete(cancel);
      end(key, spell);
    });
    timers.add(cancel);
    return spell;
  }

  function end(key: string, { omitted, since, kinds }: Spell): void {
    spells.delete(key);
    if (omitted === 0) return;
    const who = key === othersKey ? {} : { principal: key };
    append({ event: "omitted", ...who, count: omitted, since, calls: Object.fromEntries(kinds) });
  }

  function failed(event: "denied" | "changed", call: AuditedCall, outcome: AuditedOutcome): void {
    const spell = spellOf(call.principal);
    if (spell.lines < failedLinesMax) {
      spell.lines += 1;
      append(lineOf(event, call, outcome));
      return;
    }
    spell.omitted += 1;
    const wanted = firstCharacters(`${outcome.code} ${call.method}`, textLengthMax);
    const kind = spell.kinds.has(wanted) || spell.kinds.size < failedKindsMax ? wanted : "others";
    spell.kinds.set(kind, (spell.kinds.get(kind) ?? 0) + 1);
  }

  return {
    denied: (call, outcome) => failed("denied", call, outcome),
    changed(call, outcome) {
      if (outcome.code === "OK") append(lineOf("changed", call, outcome));
      else failed("changed", call, outcome);
    },
    granted: (access) => append({ event: "granted", ...access }),
    close() {
      for (const cancel of timers) cancel();
      for (const [key, spell] of [...spells]) end(key, spell);
    },
  };
}

/** No principal has this name: it has a control character. */
const othersKey = "\u0000others";

function lineOf(event: string, { method, principal, address, call, about }: AuditedCall, outcome: AuditedOutcome): AuditFields {
  const cut = Object.entries(about ?? {}).map(([name, value]) => [name, bounded(value)]);
  const subject = cut.length === 0 ? {} : { about: Object.fromEntries(cut) as AuditFields };
  return {
    event,
    principal: cutText(principal),
    address: cutText(address),
    method: cutText(method),
    call,
    ...subject,
    ...outcome,
  };
}

function bounded(value: string | number | boolean | readonly string[]): unknown {
  if (typeof value === "object") return value.slice(0, itemsNamedMax).map(cutText);
  return typeof value === "string" ? cutText(value) : value;
}

const cutText = (text: string): string => firstCharacters(text, textLengthMax);
