import { type Extent, isInScope, type Named, type WorkflowScope } from "../access/core/scope.ts";
import type { Comparison } from "../predicate/core/comparisons.ts";

/** What the `filter` of a request asks for. Undefined, if it is empty. */
export type Filter<Resource, Known> = {
  readonly matches: (resource: Resource) => boolean;
  /** What all that matches has in common, as far as a store can tell: it may pass over the rest. */
  readonly known: Known;
  /** True of all that matches. */
  readonly comparisons: readonly Comparison[];
  /** Whatever these are true of matches. */
  readonly onlyCompares: boolean;
  /** Whether it says anything of this variable. */
  readonly reads: (variable: string) => boolean;
};

/** By what names an expression has the type and the id of a workflow. */
type Fields = { readonly type: string; readonly id: string };

/** What a filter asks for, of what its caller may see; as quick as the filter by itself, which need not know of it. */
export function narrowed<Resource, Known>(
  filter: Filter<Resource, Known> | undefined,
  scope: WorkflowScope,
  {
    fields,
    namedOf,
    knownOf,
  }: {
    readonly fields: Fields;
    readonly namedOf: (resource: Resource) => Named;
    readonly knownOf: (comparisons: readonly Comparison[]) => Known;
  },
): Filter<Resource, Known> | undefined {
  if (scope === "all") return filter;
  const { comparisons, isAll } = comparisonsOf(scope, fields);
  const both = [...(filter?.comparisons ?? []), ...comparisons];
  const inScope = (resource: Resource): boolean => isInScope(scope, namedOf(resource));
  return {
    matches: filter === undefined ? inScope : (resource) => inScope(resource) && filter.matches(resource),
    known: knownOf(both),
    comparisons: both,
    onlyCompares: isAll && (filter?.onlyCompares ?? true),
    reads: filter?.reads ?? (() => false),
  };
}

/** What is true of all in a scope, so that a store need not look at others. `isAll`: whatever these are true of is in it. */
function comparisonsOf(
  scope: readonly Extent[],
  { type, id }: Fields,
): { readonly comparisons: readonly Comparison[]; readonly isAll: boolean } {
  const types = scope.flatMap((extent) => extent.types ?? "*");
  const areNamed = !types.some((each) => each.endsWith("*"));
  const [first, ...others] = scope;
  const isSamePrefix = others.every(({ idPrefix }) => idPrefix === first?.idPrefix);
  const comparisons: Comparison[] = [];
  if (areNamed) comparisons.push({ field: type, operator: "in", literals: texts([...new Set(types)]) });
  if (isSamePrefix && first !== undefined && first.idPrefix !== "")
    comparisons.push({ field: id, operator: "startsWith", literals: texts([first.idPrefix]) });
  const isOneType = scope.every((extent) => extent.types === undefined);
  return { comparisons, isAll: isSamePrefix && (areNamed || isOneType) };
}

const texts = (values: readonly string[]): Comparison["literals"] => values.map((value) => ({ type: "text", value }));

/** What a filter asks for, of what else must be true. A store is helped by the filter only. */
export function alsoWhere<Resource, Known>(
  filter: Filter<Resource, Known> | undefined,
  inScope: (resource: Resource) => boolean,
  everything: Known,
): Filter<Resource, Known> {
  return {
    known: filter?.known ?? everything,
    comparisons: filter?.comparisons ?? [],
    reads: filter?.reads ?? (() => false),
    matches: filter === undefined ? inScope : (resource) => inScope(resource) && filter.matches(resource),
    onlyCompares: false,
  };
}

/** What a filter of workflows asks for, of what its caller may see, as an expression: of what goes on when its caller has left. */
export function narrowedText(filter: string, scope: WorkflowScope): string {
  if (scope === "all") return filter;
  const extents = scope.map(extentText).join(" || ");
  // The line ends whatever comment the filter may end with.
  return filter === "" ? extents : `(${filter}${narrowedEnd(extents)}`;
}

/** How a filter ends that is narrowed by this. */
export const narrowedEnd = (extents: string): string => `\n) && (${extents})`;

function extentText({ types, idPrefix }: Extent): string {
  const named = types?.filter((type) => !type.endsWith("*")) ?? [];
  const begun = types?.filter((type) => type.endsWith("*")) ?? [];
  const ofType = [
    ...(named.length > 0 ? [`workflow.type in ${JSON.stringify(named)}`] : []),
    ...begun.map((pattern) => `workflow.type.startsWith(${JSON.stringify(pattern.slice(0, -1))})`),
  ].join(" || ");
  const conditions = [
    ...(types === undefined ? [] : [`(${ofType})`]),
    ...(idPrefix === "" ? [] : [`workflow.id.startsWith(${JSON.stringify(idPrefix)})`]),
  ];
  return conditions.length === 0 ? "true" : conditions.join(" && ");
}
