import type { Rule } from "./rule.ts";
import { decisionRules } from "./rules/decisions.ts";
import { disbeliefRules } from "./rules/disbelief.ts";
import { durabilityRules } from "./rules/durability.ts";
import { leavingRules } from "./rules/leaving.ts";
import { observedRules } from "./rules/observed.ts";
import { onePhaseRules } from "./rules/one-phase.ts";
import { openingRules } from "./rules/opening.ts";
import { ownershipRules } from "./rules/ownership.ts";
import { sessionRules } from "./rules/sessions.ts";
import { understandingRules } from "./rules/understanding.ts";
import { voteRules } from "./rules/votes.ts";

const inTurn: readonly Rule[] = [
  ...openingRules,
  ...voteRules,
  ...decisionRules,
  ...onePhaseRules,
  ...understandingRules,
  ...sessionRules,
  ...ownershipRules,
  ...durabilityRules,
  ...leavingRules,
  ...disbeliefRules,
  ...observedRules,
];

/** In the order in which they are tried: what sends the participant away comes late, what looks back comes last. */
export const rules: readonly Rule[] = [
  ...inTurn.filter(({ observes }) => observes !== true),
  ...inTurn.filter(({ observes }) => observes === true),
];
