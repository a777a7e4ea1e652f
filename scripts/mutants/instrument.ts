import type { Mutants } from "./generate.ts";
import type { Mutant } from "./mutant.ts";
import { isFunction } from "./place.ts";
import { childrenOf, type Node, nodeAt } from "./syntax.ts";

/** What asks in the changed code whether a mutant is the one that is tried, and notes that it was asked. */
export const question = "__mutant";

/**
 * The text of a file with all its mutants in it, each behind a question; so one transformation, and one loading, serve all of them.
 * `idOf` gives nothing for those that are left out. Each function asks for `probe`, so that it is
 * known whether anything of the file runs.
 */
export function instrument(text: string, mutants: Mutants, idOf: (mutant: Mutant) => number | undefined, probe?: number): string {
  const ask = (mutant: Mutant | undefined): string | undefined => {
    const id = mutant && idOf(mutant);
    return id === undefined ? undefined : `${question}(${id})`;
  };
  const plain = ({ start, end }: Node): string => text.slice(start, end);

  const bodies = new Set<Node>();

  const render = (node: Node, previous?: Node, next?: Node): string => {
    const inner = renderParts(node);
    const changes = (mutants.expressions.get(node) ?? []).flatMap((mutant) => {
      const asked = ask(mutant);
      return asked === undefined ? [] : [`${asked} ? (${mutant.replacement}) : `];
    });
    if (changes.length > 0) return `(${changes.join("")}(${inner}))`;
    return renderStatement(node, inner, previous, next);
  };

  const renderStatement = (node: Node, inner: string, previous?: Node, next?: Node): string => {
    const passed = next && ask(mutants.hoisted.get(next));
    const passing = previous && ask(mutants.sunk.get(previous));
    const guards = [mutants.dropped.get(node), mutants.hoisted.get(node), mutants.sunk.get(node)]
      .map(ask)
      .filter((asked) => asked !== undefined);
    // In braces, for what stands alone behind an `if`.
    const guarded = guards.length === 0 ? inner : `{ if (!(${guards.join(" || ")})) { ${inner} } }`;
    const before = next && passed !== undefined ? `if (${passed}) { ${plain(next)} } ` : "";
    const after = previous && passing !== undefined ? ` if (${passing}) { ${plain(previous)} }` : "";
    return `${before}${guarded}${after}`;
  };

  const renderParts = (node: Node): string => {
    const body = isFunction(node) ? nodeAt(node, "body") : undefined;
    if (body) bodies.add(body);
    const children = childrenOf(node).toSorted((a, b) => a.start - b.start);
    let rendered = "";
    let at = node.start;
    if (probe !== undefined && node.type === "BlockStatement" && bodies.has(node)) {
      rendered = `{ ${question}(${probe});`;
      at += 1;
    }
    for (const [index, child] of children.entries()) {
      rendered += text.slice(at, child.start) + render(child, children[index - 1], children[index + 1]);
      at = child.end;
    }
    return rendered + text.slice(at, node.end);
  };

  const { program } = mutants;
  return `const ${question} = globalThis.${question}; ${text.slice(0, program.start)}${render(program)}${text.slice(program.end)}`;
}
