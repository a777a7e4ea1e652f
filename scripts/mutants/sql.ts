/** Changes of an SQL text. Each keeps the number of parameters, so that what is changed runs. */
export type SqlChange = {
  readonly kind:
    | "dropped column"
    | "changed comparison"
    | "negated condition"
    | "changed operator"
    | "swapped order"
    | "changed constant";
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
};

const isSql = /\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|PRAGMA)\b/;

/** Of the definitions of tables only the conditions of partial indexes would be left, and these change speed. */
const isSchema = /^\W*(CREATE (UNIQUE )?(TABLE|INDEX)|ALTER TABLE|DROP)\b/;

/** `part` is a text between two `${…}` of a template, or a whole string; it begins in `whole` at `from`. */
export function sqlChanges(part: string, whole: string, from: number): readonly SqlChange[] {
  if (!isSql.test(whole)) return [];
  const changes: SqlChange[] = [];
  const add = (kind: SqlChange["kind"], start: number, end: number, replacement: string): void => {
    const statement = whole.slice(whole.lastIndexOf(";", from + start - 1) + 1);
    if (!isSchema.test(statement)) changes.push({ kind, start, end, replacement });
  };
  const operand = String.raw`(?:'[^']*'|(?!CASE\b)[\w.?:$@]+(?:\([\w.?:$@, ]*\))?)`;
  // A condition that no longer selects.
  for (const found of part.matchAll(
    new RegExp(String.raw`\b(WHERE|AND)\s+(${operand}\s*(?:=|!=|<>|<=|>=|<|>|IS NOT|IS)\s*${operand})(?=[\s)]|$)`, "g"),
  )) {
    const [all, , condition = ""] = found;
    const start = found.index + all.length - condition.length;
    add("dropped column", start, start + condition.length, `(${condition} OR 1)`);
  }
  // A column that keeps its value.
  for (const found of part.matchAll(
    new RegExp(String.raw`(?:\bSET|,)\s+((\w+) = (${operand}))(?=\s*,|\s+(?:WHERE|RETURNING)\b|\s*$)`, "g"),
  )) {
    const [all, assignment = "", column = "", value = ""] = found;
    const start = found.index + all.length - assignment.length;
    add("dropped column", start, start + assignment.length, `${column} = iif(1, ${column}, ${value})`);
  }
  // A column that is written as nothing.
  for (const found of part.matchAll(/\bVALUES\s*\(([^()]*)\)/g)) {
    let at = found.index + found[0].indexOf("(") + 1;
    for (const value of (found[1] ?? "").split(",")) {
      const start = at + value.length - value.trimStart().length;
      if (/^[?:$@]\w*$/.test(value.trim())) {
        add("dropped column", start, start + value.trim().length, `iif(1, NULL, ${value.trim()})`);
      }
      at += value.length + 1;
    }
  }
  const turned: Readonly<Record<string, string>> = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "IS NULL": "IS NOT NULL",
    "IS NOT NULL": "IS NULL",
  };
  for (const found of part.matchAll(/ (<=|>=|<|>|IS NULL|IS NOT NULL)(?=[\s)]|$)/g)) {
    const [, sign = ""] = found;
    add("changed comparison", found.index + 1, found.index + 1 + sign.length, turned[sign] ?? sign);
  }
  // What is excluded is all that there is; and of two conditions one is enough.
  for (const found of part.matchAll(/\bNOT (?=EXISTS|IN\b|[a-z])/g)) {
    if (!/\bIS $/.test(part.slice(0, found.index))) add("negated condition", found.index, found.index + found[0].length, "");
  }
  for (const found of part.matchAll(/\bAND\b/g)) {
    const isBetween = /\bBETWEEN \S+ $/.test(part.slice(0, found.index));
    if (!isBetween) add("changed operator", found.index, found.index + found[0].length, "OR");
  }
  // A count that goes the other way, the largest for the smallest, one more than are asked for, and what is replaced for what stays.
  for (const found of part.matchAll(/(?<=[\w)] )([+-])(?= [\w.?(]+)/g)) {
    add("changed operator", found.index, found.index + 1, found[1] === "+" ? "-" : "+");
  }
  for (const found of part.matchAll(/\b(max|min)(?=\()/g)) {
    add("changed operator", found.index, found.index + 3, found[1] === "max" ? "min" : "max");
  }
  for (const found of part.matchAll(/(?<=\bLIMIT )(\?\d*|\d+)/g)) {
    add("changed constant", found.index, found.index + found[0].length, `${found[0]} + 1`);
  }
  for (const found of part.matchAll(/\bINSERT OR REPLACE\b/g)) {
    add("changed operator", found.index, found.index + found[0].length, "INSERT OR IGNORE");
  }
  for (const found of part.matchAll(/\bORDER BY [\w., ]*?\b(\w+)( DESC| ASC)?(?=\s+LIMIT|\s*$|\s*\)|,)/g)) {
    const end = found.index + found[0].length;
    const suffix = found[2] ?? "";
    add("swapped order", end - suffix.length, end, suffix === " DESC" ? "" : " DESC");
  }
  for (const found of part.matchAll(/\bsynchronous\s*=\s*(FULL|EXTRA)/gi)) {
    const end = found.index + found[0].length;
    add("changed constant", end - (found[1] ?? "").length, end, "NORMAL");
  }
  return changes;
}
