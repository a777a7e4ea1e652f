// What a verdict depends on: the mutant, what is asked of it, and those definitions that the model uses. Its key changes with them, and not
// with the rest of the module or with a comment: who adds a property leaves what is known of the models that do not check it.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Model } from "../manifest.ts";
import { checkedIn, sectionsOf } from "../tlc.ts";
import { isCompared } from "./compared.ts";
import type { SpecMutant } from "./mutants.ts";
import { type Module, moduleOf, type Token, tokensOf } from "./tokens.ts";

/** Without a mutant, of the module as it is. */
export function keyOf(specsDir: string, model: Model, mutant?: Pick<SpecMutant, "module" | "action" | "text">): string {
  const texts = mutant === undefined ? [] : [mutant.module, mutant.action, mutant.text];
  return hashOf([askedOf(specsDir, model), ...texts]).slice(0, 32);
}

const asked = new Map<string, string>();

function askedOf(specsDir: string, model: Model): string {
  const { seconds: _, note: __, smoke: ___, ...judged } = model;
  const place = `${specsDir}: ${JSON.stringify(judged)}`;
  const known = asked.get(place);
  if (known !== undefined) return known;
  const cfg = isCompared(model) ? model.cfg : readFileSync(join(specsDir, model.cfg), "utf8");
  const instance = sectionsOf(cfg).filter((section) => !/^(INVARIANT|PROPERT)/.test(section));
  const checked = isCompared(model) ? [] : checkedIn(specsDir, model);
  const roots = [...wordsIn(tokensOf(instance.join(""))), ...checked];
  const hash = hashOf([JSON.stringify(judged), ...instance, ...checked, ...definitionsUsed(specsDir, model.module, roots)]);
  asked.set(place, hash);
  return hash;
}

/** Each definition that the roots lead to, through instances and what a module extends, and all declarations of the modules on the way. */
function definitionsUsed(specsDir: string, root: string, roots: readonly string[]): readonly string[] {
  const texts = new Map<string, string>();
  const modules = new Map<string, readonly Module[]>();
  const queue: (readonly [module: string, name: string])[] = [];
  const follow = (scope: readonly Module[], tokens: readonly Token[]): void => {
    for (const [index, { kind, text }] of tokens.entries()) {
      if (kind !== "word") continue;
      const instance = tokens[index + 1]?.text === "!" ? scope.map((one) => one.instances.get(text)).find((of) => of) : undefined;
      queue.push(instance === undefined ? [scope[0]?.name ?? "", text] : [instance, tokens[index + 2]?.text ?? ""]);
    }
  };
  const scopeOf = (name: string): readonly Module[] => {
    const known = modules.get(name);
    if (known !== undefined) return known;
    const scope = withExtended(specsDir, name);
    modules.set(name, scope);
    for (const module of scope) {
      const declared = declarationsOf(module);
      texts.set(`${module.name} declares`, layoutOf(declared));
      follow(scope, declared);
      // What an instance is not given, it takes from where it is made.
      for (const of of module.instances.values()) follow(scope, withExtended(specsDir, of).flatMap(declarationsOf));
    }
    return scope;
  };
  for (const name of roots) queue.push([root, name]);
  for (const [name, word] of queue) {
    const scope = scopeOf(name);
    for (const module of scope) {
      const definition = module.definitions.get(word);
      const place = `${module.name} ${word}`;
      if (definition === undefined || texts.has(place)) continue;
      texts.set(place, layoutOf(tokensOf(module.source.slice(definition.start, definition.end))));
      follow(scope, definition.body);
    }
  }
  return [...texts].toSorted(([a], [b]) => (a < b ? -1 : 1)).flat();
}

/** The module first. TLC's own modules are not there. */
function withExtended(specsDir: string, name: string): readonly Module[] {
  const file = join(specsDir, `${name}.tla`);
  if (!existsSync(file)) return [];
  const source = readFileSync(file, "utf8");
  const [, extended = ""] = /^EXTENDS (.+)$/m.exec(source) ?? [];
  return [moduleOf(name, source), ...extended.split(/,\s*/).flatMap((other) => withExtended(specsDir, other))];
}

/** What stands in no definition: constants, variables, assumptions, instances. */
function declarationsOf({ source, definitions }: Module): readonly Token[] {
  const spans = [...definitions.values()];
  return tokensOf(source).filter((token) => !spans.some(({ start, end }) => token.start >= start && token.end <= end));
}

/** Without comments. Columns are all that a list is told by. */
const layoutOf = (tokens: readonly Token[]): string => tokens.map(({ column, text }) => `${column} ${text}`).join("\n");

const wordsIn = (tokens: readonly Token[]): readonly string[] =>
  tokens.filter(({ kind }) => kind === "word").map(({ text }) => text);

function hashOf(texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text).update("\0");
  return hash.digest("hex");
}
