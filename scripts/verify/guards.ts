// Deletes guards from the actions of a module, one at a time, and sees whether some model notices.
//
// A guard is a conjunct or a disjunct of an action, or the condition of an IF, that speaks of the current state only. To delete it
// is to write TRUE in its place; for a disjunct that deletes the whole disjunction.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Model, Mutation } from "./manifest.ts";

export type Guard = {
  readonly action: string;
  readonly line: number;
  readonly text: string;
  readonly mutation: Mutation;
};

export function guardsOf(specsDir: string, module: string): readonly Guard[] {
  const source = readFileSync(join(specsDir, `${module}.tla`), "utf8");
  const lines = source.split("\n");
  const guards: Guard[] = [];
  let action: { name: string; start: number } | undefined;
  for (const [index, line] of lines.entries()) {
    const heading = /^(\w+)(?:\(.*\))? ==/.exec(line)?.[1];
    if (heading !== undefined) action = { name: heading, start: index };
    if (action === undefined || !isAction(lines, action.start)) continue;
    for (const part of partsOf(line)) {
      const text = line.slice(part.from, part.to);
      if (!isGuard(text)) continue;
      guards.push({
        action: action.name,
        line: index + 1,
        text,
        mutation: mutationOf(source, lines, index, part),
      });
    }
  }
  return guards;
}

/** An action is a definition that says what stays the same. */
function isAction(lines: readonly string[], start: number): boolean {
  const end = lines.findIndex((line, index) => index > start && line.trim() === "");
  return lines.slice(start, end).some((line) => /^ {2}\/\\ UNCHANGED/.test(line));
}

/** The pieces between the /\ and \/ of one line, and the condition of an IF. */
function partsOf(line: string): readonly { readonly from: number; readonly to: number }[] {
  const bullet = /^\s+(?:(?:\/\\|\\\/) +)+/.exec(line);
  if (bullet === null) return [];
  const condition = /^IF (.+?)$/.exec(line.slice(bullet[0].length));
  if (condition !== null) return [{ from: bullet[0].length + 3, to: line.length }];
  const parts: { from: number; to: number }[] = [];
  let from = bullet[0].length;
  for (const match of line.matchAll(/ (?:\/\\|\\\/) /g)) {
    if (match.index < from) continue;
    parts.push({ from, to: match.index });
    from = match.index + match[0].length;
  }
  parts.push({ from, to: line.trimEnd().length });
  return parts;
}

function isGuard(text: string): boolean {
  return text !== "" && !/'|UNCHANGED|^(Send|Become|IF|THEN|ELSE|CASE)\b|->|==|:$/.test(text);
}

/** Replaces one piece of one line; enough of the lines around it to occur once. */
function mutationOf(
  source: string,
  lines: readonly string[],
  index: number,
  part: { readonly from: number; readonly to: number },
): Mutation {
  const line = lines[index] ?? "";
  const changed = `${line.slice(0, part.from)}TRUE${line.slice(part.to)}`;
  for (let before = 0; before <= index; before += 1) {
    const find = [...lines.slice(index - before, index), line].join("\n");
    if (source.split(find).length !== 2) continue;
    return { find, replace: [...lines.slice(index - before, index), changed].join("\n") };
  }
  throw new Error(`line ${index + 1} cannot be told from others`);
}

/** The models that are tried on each guard, in the order of the manifest's `guards` field. */
export function guardModels(models: readonly Model[], module: string): readonly Model[] {
  return models
    .filter((model) => model.guards !== undefined && model.module === module)
    .toSorted((a, b) => (a.guards ?? 0) - (b.guards ?? 0));
}

/** Picks `count` of the guards; the same seed picks the same ones (mulberry32). */
export function pick(guards: readonly Guard[], count: number, seed: number): readonly Guard[] {
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return guards
    .map((guard) => ({ guard, key: random() }))
    .toSorted((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ guard }) => guard)
    .toSorted((a, b) => a.line - b.line);
}
