/** Texts of which `*` at the end of one stands for whatever follows. */
export type Patterns = readonly string[];

/** Some workflows: those of these types (undefined: of all types, and of none) whose ids begin so. */
export type Extent = { readonly types: Patterns | undefined; readonly idPrefix: string };

/** Which workflows a caller may hear of, or do something to: those in any of these. */
export type WorkflowScope = "all" | readonly Extent[];

export type Named = { readonly id: string; readonly type: string };

export const isLike = (text: string, pattern: string): boolean =>
  pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : text === pattern;

export const isLikeOne = (text: string, patterns: Patterns): boolean => patterns.some((pattern) => isLike(text, pattern));

export const isInScope = (scope: WorkflowScope, { id, type }: Named): boolean =>
  scope === "all" || scope.some((extent) => isOfType(extent, type) && id.startsWith(extent.idPrefix));

/** Whether any workflow with this id is in it, whatever its type. */
export const hasAllWithId = (scope: WorkflowScope, id: string): boolean =>
  scope === "all" || scope.some(({ types, idPrefix }) => types === undefined && id.startsWith(idPrefix));

/** Whether a workflow of this type could be in it, whatever its id. */
export const mayHaveType = (scope: WorkflowScope, type: string): boolean =>
  scope === "all" || scope.some((extent) => isOfType(extent, type));

/** Whether all workflows of this type are in it. */
export const hasAllOfType = (scope: WorkflowScope, type: string): boolean =>
  scope === "all" || scope.some((extent) => isOfType(extent, type) && extent.idPrefix === "");

const isOfType = ({ types }: Extent, type: string): boolean => types === undefined || isLikeOne(type, types);

/** Whether all that is in the other is in this one, as far as one extent of it tells. */
export const covers = (scope: WorkflowScope, other: WorkflowScope): boolean =>
  scope === "all" || (other !== "all" && other.every((part) => scope.some((whole) => isWithin(part, whole))));

const isWithin = (part: Extent, whole: Extent): boolean =>
  part.idPrefix.startsWith(whole.idPrefix) &&
  (whole.types === undefined || (part.types?.every((type) => isWithinOne(type, whole.types ?? [])) ?? false));

/** Whether whatever is like this is like one of these: a pattern begins as those do that it is within. */
export const isWithinOne = (pattern: string, patterns: Patterns): boolean =>
  patterns.includes(pattern) || patterns.some((each) => each.endsWith("*") && isLike(pattern, each));

/** An extent of everything makes a scope of everything. */
export const scopeOf = (extents: readonly Extent[]): WorkflowScope =>
  extents.some(({ types, idPrefix }) => types === undefined && idPrefix === "") ? "all" : extents;

/** The same for the same scope: what is bound to it, such as a page token, names it. Empty, if it is everything. */
export const scopeKey = (scope: WorkflowScope): string =>
  scope === "all" ? "" : JSON.stringify(scope.map(({ types, idPrefix }) => [types ?? null, idPrefix]));
