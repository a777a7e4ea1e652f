import type { Principal } from "../../kernel/principal.ts";
import { bothForRules, type Concern, type MethodRule, methodRules, type Role } from "./methods.ts";
import { covers, type Extent, isInScope, isLikeOne, isWithinOne, type Patterns, scopeOf, type WorkflowScope } from "./scope.ts";

/** Principals like these have these roles, for these workflows and participants. */
export type Grant = {
  readonly principals: Patterns;
  readonly roles: readonly Role[];
  /** Undefined: workflows of all types, and of none. An empty name is no type. */
  readonly types: Patterns | undefined;
  readonly idPrefix: string;
  /** Undefined: all, unless the grant is for some workflows only: then none. */
  readonly participants: Patterns | undefined;
};

/** The ids of participants. */
export type ParticipantScope = "all" | Patterns;

/** What a principal may do by one method. */
export type Permission = {
  /** Those that the method may be about. */
  readonly workflows: WorkflowScope;
  /** Those that the principal may hear of by any method: of others it is told that they do not exist. */
  readonly visible: WorkflowScope;
  readonly participants: ParticipantScope;
  /** Of the transactions that the method may be about: those with these participants, besides those that the principal has begun itself. */
  readonly transactionsOf: ParticipantScope;
  /** Under which nobody says Hello but who is granted just that id: a pattern does not give it away. Empty: there is none. */
  readonly reservedParticipantId: string;
  /** Whether it may both write and activate rules. */
  readonly maySetRules: boolean;
  /** Whether it is believed who it says was proved to ask: a workflow manager asks for its callers. */
  readonly speaksForOthers: boolean;
};

export type Decision =
  | { readonly allowed: true; readonly permission: Permission; readonly because: readonly string[] }
  | { readonly allowed: false; readonly because: readonly string[] };

/** Of a server without an access file. */
export const everything: Permission = {
  workflows: "all",
  visible: "all",
  participants: "all",
  transactionsOf: "all",
  reservedParticipantId: "",
  maySetRules: true,
  speaksForOthers: true,
};

/** Of what is open to those who prove nothing. */
export const nothing: Permission = {
  workflows: [],
  visible: [],
  participants: [],
  transactionsOf: [],
  reservedParticipantId: "",
  maySetRules: false,
  speaksForOthers: false,
};

/** Grants as one value, which does not change. */
export type Policy = { readonly decide: (principal: Pick<Principal, "name" | "by">, method: string) => Decision };

/** By which one hears of a workflow. */
const hearing = "/concord.workflow.v1.WorkflowService/GetWorkflow";

/** `ownParticipantId`: under which this very process takes part in transactions. */
export function createPolicy(grants: readonly Grant[], ownParticipantId: string): Policy {
  const own: Grant = {
    principals: [],
    roles: ["manager"],
    types: undefined,
    idPrefix: "",
    participants: [ownParticipantId],
  };

  function grantsOf({ name, by }: Pick<Principal, "name" | "by">): readonly Placed[] {
    if (by === "process") return [{ grant: own, place: "this process itself" }];
    if (by === "nothing") return [];
    return grants.flatMap((grant, index) => (isLikeOne(name, grant.principals) ? { grant, place: `grants[${index}]` } : []));
  }

  return {
    decide(principal, method) {
      const rule = methodRules.get(method);
      if (rule === undefined) return { allowed: false, because: [`no role may call ${method}: it is not known`] };
      const granted = grantsOf(principal);
      const giving = granted.filter(({ grant }) => rolesIn(grant, rule).length > 0);
      if (giving.length === 0) return { allowed: false, because: whyNot(principal, granted, method, rule) };
      const counting = giving.filter(({ grant }) => counts(grant, rule));
      if (counting.length === 0) {
        const narrow = giving.map(({ place }) => place).join(", ");
        return {
          allowed: false,
          because: [`${nameOf(method)} concerns ${ofWhich(rule)}, and ${narrow} is for some of them (types, id_prefix)`],
        };
      }
      const hearingRule = methodRules.get(hearing);
      const heard = hearingRule === undefined ? [] : granted.filter(({ grant }) => rolesIn(grant, hearingRule).length > 0);
      const permission: Permission = {
        workflows: workflowsOf(counting),
        visible: workflowsOf([...counting, ...heard]),
        participants: participantsOf(counting, rule),
        transactionsOf: transactionsOf(counting, rule),
        reservedParticipantId: ownParticipantId,
        maySetRules: bothForRules.every((role) => granted.some(({ grant }) => isForAll(grant) && hasRole(grant, role))),
        speaksForOthers: counting.some(({ grant }) => hasRole(grant, "manager")),
      };
      return { allowed: true, permission, because: counting.map(({ grant, place }) => why(principal, grant, place, rule)) };
    },
  };
}

type Placed = { readonly grant: Grant; readonly place: string };

const hasRole = ({ roles }: Grant, role: Role): boolean => roles.includes(role) || roles.includes("admin");

/** Those of its roles that may. */
const rolesIn = ({ roles }: Grant, rule: MethodRule): readonly Role[] =>
  roles.filter((role) => role === "admin" || rule.roles.includes(role));

const isForAll = ({ types, idPrefix }: Grant): boolean => types === undefined && idPrefix === "";

/** Whether it is for as many workflows as the method needs. */
function counts(grant: Grant, { concern }: MethodRule): boolean {
  if (concern === "all-workflows") return isForAll(grant);
  return concern !== "rules" || grant.idPrefix === "";
}

const ofWhich = ({ concern }: MethodRule): string => (concern === "rules" ? "all workflows of a type" : "all workflows");

const workflowsOf = (placed: readonly Placed[]): WorkflowScope =>
  scopeOf(placed.map(({ grant: { types, idPrefix } }): Extent => ({ types, idPrefix })));

function participantsOf(placed: readonly Placed[], { concern, roles }: MethodRule): ParticipantScope {
  // Of ids to say Hello under, all are a pattern beside those that another grant names: one of these may be the reserved one.
  const all: ParticipantScope = concern === "session" ? ["*"] : "all";
  const scopes = placed.map(({ grant }): ParticipantScope => {
    // Which participants a manager enlists, its callers say.
    const enlists = concern === "participants" && grant.roles.includes("manager") && roles.includes("manager");
    if (enlists) return "all";
    return grant.participants ?? (isForAll(grant) ? all : []);
  });
  return inAny(scopes);
}

const inAny = (scopes: readonly ParticipantScope[]): ParticipantScope =>
  scopes.includes("all") ? "all" : [...new Set(scopes.flatMap((scope) => (scope === "all" ? [] : scope)))];

/** Whoever runs transactions has those that it has begun; others are for those who look after them, or take part. */
const ofBeginners: readonly Role[] = ["client", "manager"];

const transactionsOf = (placed: readonly Placed[], rule: MethodRule): ParticipantScope =>
  inAny(
    placed
      .filter(({ grant }) => rolesIn(grant, rule).some((role) => !ofBeginners.includes(role)))
      .map(({ grant }) => grant.participants ?? (isForAll(grant) ? "all" : [])),
  );

/** Whether whoever has this may do all that the other allows: what began under the other may go on. */
export const coversAll = (permission: Permission, other: Permission): boolean =>
  covers(permission.workflows, other.workflows) &&
  covers(permission.visible, other.visible) &&
  (permission.maySetRules || !other.maySetRules) &&
  (permission.speaksForOthers || !other.speaksForOthers) &&
  coversParticipants(permission.participants, other.participants) &&
  (maySayHello(permission, permission.reservedParticipantId) || !maySayHello(other, other.reservedParticipantId)) &&
  coversParticipants(permission.transactionsOf, other.transactionsOf);

const coversParticipants = (scope: ParticipantScope, other: ParticipantScope): boolean =>
  scope === "all" || (other !== "all" && other.every((id) => isWithinOne(id, scope)));

/** Whether a transaction may be what the method is about. */
export const hasTransaction = (
  { transactionsOf: scope }: Permission,
  { name }: Pick<Principal, "name">,
  { participantIds, begunBy }: { readonly participantIds: readonly string[]; readonly begunBy: string | undefined },
): boolean => scope === "all" || (begunBy !== undefined && begunBy === name) || participantIds.some((id) => isLikeOne(id, scope));

export const isParticipantIn = (scope: ParticipantScope, id: string): boolean => scope === "all" || isLikeOne(id, scope);

/** As whom somebody may take part. */
export const maySayHello = ({ participants, reservedParticipantId }: Permission, id: string): boolean =>
  id === reservedParticipantId ? participants !== "all" && participants.includes(id) : isParticipantIn(participants, id);

/** Whether a workflow that exists, or is to exist, may be what the method is about: otherwise, whether its existence may be told. */
export function aboutWorkflow(
  { workflows, visible }: Permission,
  workflow: { readonly id: string; readonly type: string },
): "allowed" | "denied" | "hidden" {
  if (isInScope(workflows, workflow)) return "allowed";
  return isInScope(visible, workflow) ? "denied" : "hidden";
}

/** `ServiceName/MethodName` of a path. */
export const nameOf = (method: string): string => method.slice(method.lastIndexOf(".") + 1);

const concernsWorkflows = (concern: Concern): boolean =>
  concern === "workflows" || concern === "all-workflows" || concern === "rules";

function why({ name }: { readonly name: string }, grant: Grant, place: string, rule: MethodRule): string {
  const some = [
    ...(concernsWorkflows(rule.concern) && grant.types !== undefined ? [`types ${listed(grant.types)}`] : []),
    ...(concernsWorkflows(rule.concern) && grant.idPrefix !== "" ? [`id_prefix ${grant.idPrefix}`] : []),
    ...(concernsWorkflows(rule.concern) || grant.participants === undefined
      ? []
      : [`participants ${listed(grant.participants)}`]),
  ];
  const narrowed = some.length === 0 ? "" : `, for ${some.join(", ")}`;
  return `${place} gives ${name === "" ? "it" : name} ${listed(rolesIn(grant, rule))}${narrowed}`;
}

function whyNot(
  { name, by }: Pick<Principal, "name" | "by">,
  granted: readonly Placed[],
  method: string,
  rule: MethodRule,
): readonly string[] {
  if (by === "nothing") return ["who proves nothing is granted nothing"];
  if (granted.length === 0) return [`no grant is for ${name}`];
  const needs = `${nameOf(method)} takes ${[...rule.roles].filter((role) => role !== "admin").join(" or ")}`;
  return granted.map(({ grant, place }) => `${needs}, and ${place} gives ${name} ${listed(grant.roles)}`);
}

const listed = (texts: readonly string[]): string => texts.map((text) => (text === "" ? '""' : text)).join(", ");
