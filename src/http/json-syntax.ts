/** Where a text stops to be JSON. */
export type SyntaxProblem = { readonly line: number; readonly column: number; readonly expected: string };

const blank = /[ \t\n\r]*/y;
const token =
  /[{}[\],:]|"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)\b/uy;

/** What may come next, in words. */
const expectations = {
  value: "a value",
  "value or ]": "a value or ]",
  "key or }": "a name in double quotes or }",
  key: "a name in double quotes",
  colon: "a colon",
  "comma or }": "a comma or }",
  "comma or ]": "a comma or ]",
  end: "nothing more",
} as const;

type Expectation = keyof typeof expectations;

/**
 * The first place at which a text is not JSON, if it is not. The engine's own parser finds out whether, and only sometimes says where; this
 * is asked after it.
 */
export function jsonSyntaxProblem(text: string): SyntaxProblem | undefined {
  const open: ("{" | "[")[] = [];
  let expected: Expectation = "value";
  let at = 0;
  for (;;) {
    at = endOf(blank, text, at) ?? at;
    if (at === text.length && expected === "end") return undefined;
    const end = endOf(token, text, at);
    const next: Expectation | undefined = end === undefined ? undefined : after(text.slice(at, end), expected, open);
    if (end === undefined || next === undefined) return { ...placeOf(text, at), expected: expectations[expected] };
    expected = next;
    at = end;
  }
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

/** What may come after a token; undefined if the token may not come. */
function after(found: string, expected: Expectation, open: ("{" | "[")[]): Expectation | undefined {
  const closed = (): Expectation => {
    const around = open.at(-1);
    return around === undefined ? "end" : around === "{" ? "comma or }" : "comma or ]";
  };
  const takesValue = expected === "value" || expected === "value or ]";
  const takesKey = expected === "key" || expected === "key or }";
  switch (found[0]) {
    case "{":
    case "[":
      if (!takesValue) return undefined;
      open.push(found as "{" | "[");
      return found === "{" ? "key or }" : "value or ]";
    case "}":
      if (expected !== "key or }" && expected !== "comma or }") return undefined;
      open.pop();
      return closed();
    case "]":
      if (expected !== "value or ]" && expected !== "comma or ]") return undefined;
      open.pop();
      return closed();
    case ":":
      return expected === "colon" ? "value" : undefined;
    case ",":
      if (expected === "comma or }") return "key";
      return expected === "comma or ]" ? "value" : undefined;
    case '"':
      if (takesKey) return "colon";
      return takesValue ? closed() : undefined;
    default:
      return takesValue ? closed() : undefined;
  }
}

function placeOf(text: string, at: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: [...(before.at(-1) ?? "")].length + 1 };
}
