// A module of TLA+ as tokens, and as definitions. As much of the language as specs/ uses.

export type Token = {
  readonly kind: "word" | "string" | "number" | "symbol";
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly line: number;
  /** Lists of conjuncts and disjuncts are told apart by where their bullets stand. */
  readonly column: number;
};

export type Definition = {
  readonly name: string;
  /** With the heading. */
  readonly start: number;
  readonly end: number;
  readonly line: number;
  readonly body: readonly Token[];
};

export type Module = {
  readonly name: string;
  readonly source: string;
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly variables: ReadonlySet<string>;
  /** Name of an instance to the module that it is of. */
  readonly instances: ReadonlyMap<string, string>;
};

const lexical =
  /(\(\*|\*\))|(\\\*[^\n]*)|(-{4,}[^\n]*|={4,})|("[^"]*")|(\d+)|(\\[A-Za-z]+|[A-Za-z_]\w*)|(<=>|\|->|==|=>|<=|>=|->|<<|>>|\/\\|\\\/|\[\]|<>|~>|\.\.|:>|@@|\S)|(\s+)/gy;

export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lineStart = 0;
  let commentDepth = 0;
  for (const match of source.matchAll(lexical)) {
    const [text, comment, , rule, string, number, word, symbol] = match;
    const start = match.index;
    if (comment !== undefined) commentDepth += comment === "(*" ? 1 : -1;
    const place = { text, start, end: start + text.length, line, column: start - lineStart };
    const kind = string ? "string" : number ? "number" : word && !text.startsWith("\\") ? "word" : "symbol";
    if (commentDepth === 0 && comment === undefined) {
      if (rule !== undefined && place.column === 0) tokens.push({ ...place, kind: "symbol", text: "----" });
      else if (string || number || word || symbol) tokens.push({ ...place, kind });
    }
    for (const found of text.matchAll(/\n/g)) {
      line += 1;
      lineStart = start + found.index + 1;
    }
  }
  return tokens;
}

const sections = new Set(["EXTENDS", "CONSTANT", "CONSTANTS", "VARIABLE", "VARIABLES", "ASSUME", "RECURSIVE", "----"]);

export function moduleOf(name: string, source: string): Module {
  const tokens = tokensOf(source);
  const heads = tokens.flatMap((token, index) =>
    token.column === 0 && (sections.has(token.text) || token.kind === "word") ? [index] : [],
  );
  const definitions = new Map<string, Definition>();
  const variables = new Set<string>();
  const instances = new Map<string, string>();
  for (const [at, index] of heads.entries()) {
    const part = tokens.slice(index, heads[at + 1] ?? tokens.length);
    const [head] = part;
    const last = part.at(-1);
    if (head === undefined || last === undefined) continue;
    if (/^VARIABLES?$/.test(head.text)) {
      for (const { kind, text } of part.slice(1)) if (kind === "word") variables.add(text);
    }
    const sign = part.findIndex(({ text }) => text === "==");
    if (sections.has(head.text) || sign === -1) continue;
    const body = part.slice(sign + 1);
    if (body[0]?.text === "INSTANCE") {
      instances.set(head.text, body[1]?.text ?? "");
      continue;
    }
    definitions.set(head.text, { name: head.text, start: head.start, end: last.end, line: head.line, body });
  }
  return { name, source, definitions, variables, instances };
}

/** What is used, directly or not, by a definition of this module. */
export function usedBy(module: Module, root: string): ReadonlySet<string> {
  const used = new Set<string>();
  const queue = [root];
  for (const name of queue) {
    const definition = module.definitions.get(name);
    if (definition === undefined || used.has(name)) continue;
    used.add(name);
    for (const [index, { kind, text }] of definition.body.entries()) {
      // A field, or what belongs to an instance, has another meaning.
      const before = definition.body[index - 1]?.text;
      if (kind === "word" && before !== "." && before !== "!") queue.push(text);
    }
  }
  return used;
}
