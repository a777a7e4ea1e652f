import type { RuleId } from "../../../kernel/ids.ts";
import { type Proved, provedOf } from "../../../kernel/principal.ts";
import type { Authorship, Rule, RuleStanding, RuleState, RuleVersion } from "../types.ts";

/** How a rule is to stand. */
export type RuleWanted = {
  readonly newest: RuleVersion;
  readonly active: RuleVersion | undefined;
  readonly shadow: RuleVersion | undefined;
  /** It judges nothing, and is not wanted any more. */
  readonly givenUp: boolean;
};

/** What a change does to a rule. */
export type RuleStep = {
  readonly id: RuleId;
  /** In its newest version. Undefined: there was none. */
  readonly before: Rule | undefined;
  /** Undefined: it goes. */
  readonly after: RuleWanted | undefined;
  readonly written: readonly RuleVersion[];
  /** Versions that were never used and are not kept any more. */
  readonly dropped: readonly number[];
};

/** When a change is made, by whom, and why. */
export type Stamp = { readonly atMs: number; readonly requestedBy: string; readonly reason: string } & Proved;

/** Of a version that the change writes. */
export const authorshipOf = (version: number, { atMs, requestedBy, authenticatedAs }: Stamp): Authorship => ({
  version,
  createdAtMs: atMs,
  createdBy: requestedBy,
  ...(authenticatedAs !== undefined && { createdAs: authenticatedAs }),
});

/** As it stands after the step; as it stood, if that is the same. */
export function standingAfter({ id, before }: RuleStep, wanted: RuleWanted, stamp: Stamp): RuleStanding {
  const places = {
    latestVersion: wanted.newest.version,
    activeVersion: wanted.active?.version,
    shadowVersion: wanted.shadow?.version,
    hasJudged: before?.standing.hasJudged === true || wanted.active !== undefined || wanted.shadow !== undefined,
  };
  const state = stateOf(places, wanted.givenUp);
  const standing = before?.standing;
  const isSame =
    standing !== undefined &&
    standing.state === state &&
    standing.latestVersion === places.latestVersion &&
    standing.activeVersion === places.activeVersion &&
    standing.shadowVersion === places.shadowVersion;
  if (isSame) return standing;
  const { atMs: updatedAtMs, requestedBy, reason } = stamp;
  const createdAs = standing === undefined ? stamp.authenticatedAs : standing.createdAs;
  const created = createdAs === undefined ? {} : { createdAs };
  return { id, state, ...places, updatedAtMs, requestedBy, reason, ...provedOf(stamp), ...created };
}

type Places = Pick<RuleStanding, "activeVersion" | "shadowVersion" | "hasJudged">;

function stateOf({ activeVersion, shadowVersion, hasJudged }: Places, givenUp: boolean): RuleState {
  if (activeVersion !== undefined) return "ACTIVE";
  if (shadowVersion !== undefined) return "SHADOW";
  if (givenUp) return "DEPRECATED";
  return hasJudged ? "INACTIVE" : "DRAFT";
}

export const isIdle = ({ activeVersion, shadowVersion }: RuleStanding): boolean =>
  activeVersion === undefined && shadowVersion === undefined;
