import type { Position } from "../position.ts";
import type { Move } from "./term.ts";

/** What is so for all data. Without a finding nothing is said: not that there is nothing to find. */
export type Finding = {
  readonly type: /** The rule is false, or fails, whenever it applies to these moves. */
    | "never-holds"
    /** The rule is true for all its moves. */
    | "never-denies"
    /** The condition of the rule is not met for any of its moves. */
    | "never-applies"
    /** Either rule allows something of these moves, both together nothing. */
    | "forbid-together"
    /** The two rules deny the same. */
    | "same"
    /** What the first rule denies, the second one denies too. */
    | "shadowed"
    /** A part of the rule is evaluated for none of its moves. */
    | "unreachable"
    /** The analysis has come to one of its bounds. */
    | "not-decided";
  /** Empty: of what was left out altogether. */
  readonly ruleIds: readonly string[];
  readonly moves: readonly Move[];
  /** Of a part of the rule. */
  readonly place?: { readonly field: "condition" | "expression"; readonly position: Position };
  /** One sentence. */
  readonly message: string;
};
