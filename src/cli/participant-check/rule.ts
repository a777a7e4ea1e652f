import type { Play } from "./play.ts";

/** What a rule cannot be tried without, beyond a participant that votes to commit. */
export type Need = "start" | "abort-payload" | "read-only-payload";

/** One sentence of the contract, and the script that finds out whether a participant keeps to it. */
export type Rule = {
  /** Kept for ever: people name rules by it. */
  readonly id: string;
  /** What a participant does. */
  readonly says: string;
  /** Where the contract says it: a message, field or RPC of concord/commit/v1/two_phase_commit.proto. */
  readonly where: string;
  readonly needs?: readonly Need[];
  /** It is about the whole run, and looks at what was heard: tried last. */
  readonly observes?: true;
  /** The participant comes back rarely after it, unless it is started anew. */
  readonly sendsAway?: true;
  /** Returns if the rule is kept. Throws Broken, NotTried or Away if not. */
  readonly run: (play: Play) => Promise<void>;
};

export type Verdict = Pick<Rule, "id" | "says" | "where"> &
  (
    | { readonly verdict: "passed" }
    | { readonly verdict: "failed"; readonly seen: string; readonly right: string }
    | { readonly verdict: "not-tried"; readonly why: string }
  );
