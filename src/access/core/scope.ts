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

const isOfType = ({ types }: Extent, type: string): boolean => types === undefined || isLikeOne(type, types);

/** An extent of everything makes a scope of everything. */
export const scopeOf = (extents: readonly Extent[]): WorkflowScope =>
  extents.some(({ types, idPrefix }) => types === undefined && idPrefix === "") ? "all" : extents;
