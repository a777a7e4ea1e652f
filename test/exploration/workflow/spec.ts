// The state of specs/WorkflowManager.tla.

export type SpecDue = { readonly to: string; readonly set: number };

export type SpecHold = { readonly request: string; readonly to: string; readonly revision: number; readonly due: string };

export type SpecRecord = {
  readonly state: string;
  readonly version: number;
  readonly hold: SpecHold;
  readonly due: SpecDue;
  readonly ripe: boolean;
};

export type SpecEvent = {
  readonly workflow: string;
  readonly from: string;
  readonly to: string;
  readonly version: number;
  readonly request: string;
  readonly kind: string;
  readonly revision: number;
  readonly due: SpecDue;
};

/** What a request asks for. */
export type SpecBody = {
  readonly kind: string;
  readonly on: readonly string[];
  readonly to: string;
  readonly expected: number;
  readonly due: string;
};

export type SpecPhase = "idle" | "sent" | "loaded" | "judged" | "waiting" | "answered";

export type SpecCall = {
  readonly phase: SpecPhase;
  readonly seen: Readonly<Record<string, SpecRecord>>;
  readonly revision: number;
  readonly tries: number;
  readonly code: string;
};

export type SpecTimer = { readonly phase: SpecPhase; readonly seen: SpecRecord; readonly revision: number };

/** By the names of workflows and requests. */
export type SpecState = {
  readonly wf: Readonly<Record<string, SpecRecord>>;
  readonly events: readonly SpecEvent[];
  readonly answered: Readonly<Record<string, string>>;
  readonly tx: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, SpecBody>>;
  readonly call: Readonly<Record<string, SpecCall>>;
  readonly timer: Readonly<Record<string, SpecTimer>>;
  readonly engine: { readonly up: boolean; readonly revision: number };
  readonly up: boolean;
  readonly crashes: number;
};

/** What a transaction does. */
export const enlisted: ReadonlySet<string> = new Set(["enlist", "enlist-recovery"]);

/** What refuses a workflow that has not failed. */
export const recovering: ReadonlySet<string> = new Set(["recover", "enlist-recovery"]);

export const none = "none";
export const noHold: SpecHold = { request: none, to: none, revision: 0, due: none };
export const noDue: SpecDue = { to: none, set: 0 };
export const absent: SpecRecord = { state: "NONE", version: 0, hold: noHold, due: noDue, ripe: true };
export const noBody: SpecBody = { kind: none, on: [], to: none, expected: 0, due: none };

/** One text for one state, whichever order its fields have. */
export const specKey = (state: SpecState): string => JSON.stringify(sorted(state));

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [name, sorted(field)]),
  );
}
