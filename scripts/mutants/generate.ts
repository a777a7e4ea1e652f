import { isAboutAside, isAside } from "./aside.ts";
import { blockMutants } from "./block-mutants.ts";
import { expressionMutants } from "./expression-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { type Place, place } from "./place.ts";
import { childrenOf, isLinkOfChain, type Node, nodeAt, parse } from "./syntax.ts";

/** The mutants of a file, those of one node together: all changes of one place stand in the code side by side. */
export type Mutants = {
  readonly program: Node;
  /** The node is replaced, as an expression. */
  readonly expressions: ReadonlyMap<Node, readonly Mutant[]>;
  /** The statement is not run. */
  readonly dropped: ReadonlyMap<Node, Mutant>;
  /** The statement runs before the one above it. */
  readonly hoisted: ReadonlyMap<Node, Mutant>;
  /** The statement runs after the one below it. */
  readonly sunk: ReadonlyMap<Node, Mutant>;
  readonly all: readonly Mutant[];
};

export function generate(file: string, text: string): Mutants {
  const program = parse(file, text);
  const expressions = new Map<Node, readonly Mutant[]>();
  const dropped = new Map<Node, Mutant>();
  const hoisted = new Map<Node, Mutant>();
  const sunk = new Map<Node, Mutant>();
  const visit = (node: Node, parent: Node | undefined, outer: Place): void => {
    if (isAside(node) || isAboutAside(node)) return;
    const here = place(outer, node, parent);
    const found = isLinkOfChain(node, parent) ? [] : expressionMutants(here, node, parent);
    if (found.length > 0) expressions.set(node, found);
    blockMutants(here, node, { dropped, hoisted, sunk });
    for (const child of childrenOf(node)) {
      // A callee keeps what it is called on, and a tag its text.
      const isTagged = node.type === "TaggedTemplateExpression" && child === nodeAt(node, "quasi");
      if (!isTagged) visit(child, node, here);
    }
  };
  visit(program, undefined, { file, text, within: "", isTried: false });
  const all = [...[...expressions.values()].flat(), ...dropped.values(), ...hoisted.values(), ...sunk.values()];
  return { program, expressions, dropped, hoisted, sunk, all: all.sort((a, b) => a.start - b.start || a.end - b.end) };
}
