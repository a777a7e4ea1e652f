import { type CelList, type CelValue, celList, isCelList, isCelMap, isCelUint } from "@bufbuild/cel";
import { strings as libraryStrings } from "@bufbuild/cel/ext";
import { assert } from "../../../kernel/assert.ts";
import { charge } from "../budget.ts";
import { compareTexts } from "../order.ts";
import { doubleText } from "./conversions.ts";
import { fixed, scientific } from "./decimal.ts";

/** To set up the formatting of a number. */
const clauseCost = 20;

/** More than 100 say nothing, and each takes time and room. */
const decimalsMax = 100;

/** As in C. */
const decimalsGiven = 6;

const libraryFormat = libraryStrings.find(({ name }) => name === "format");
assert(libraryFormat !== undefined, "the library formats single values");

/** `"%d samples, %.1f °C".format([3, 7.5])` */
export function format(template: string, args: CelList): string {
  const values = args.values();
  let used = 0;
  const text = template.replace(
    /%(?:%|(?:\.(\d*))?([\s\S])|$)/g,
    (clause, precision: string | undefined, verb: string | undefined) => {
      if (clause === "%%") return "%";
      if (verb === undefined) throw new Error("the format ends within a clause");
      const { value, done } = values.next();
      if (done) throw new Error("the format has more clauses than there are values");
      const decimals = Number(precision ?? decimalsGiven);
      if (decimals > decimalsMax) throw new Error(`at most ${decimalsMax} decimals can be shown`);
      used += 1;
      return clause === "%s" ? textOf(value) : (decimalText(verb, value, decimals) ?? formatOne(clause, value));
    },
  );
  if (used < args.size) throw new Error("the format has fewer clauses than there are values");
  return text;
}

/** The library rounds the shortest text of a double, and takes no integers. */
function decimalText(verb: string, value: CelValue, decimals: number): string | undefined {
  const show = verb === "f" ? fixed : verb === "e" ? scientific : undefined;
  const number = isCelUint(value) ? value.value : value;
  if (show === undefined || (typeof number !== "bigint" && !Number.isFinite(number))) return undefined;
  charge(clauseCost);
  return show(number as number | bigint, decimals);
}

function formatOne(clause: string, value: CelValue): string {
  charge(clauseCost);
  const text = libraryFormat?.call(0, clause, [celList([value])]);
  if (typeof text !== "string") throw text instanceof Error ? new Error(text.message) : new Error(`${clause} cannot show this`);
  return text;
}

/** The library sorts the keys of maps as the machine's language does. */
function textOf(value: CelValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return doubleText(value);
  if (isCelList(value)) return `[${[...value].map(textOf).join(", ")}]`;
  if (!isCelMap(value)) return formatOne("%s", value);
  const entries = [...value].map(([key, item]) => [textOf(key), textOf(item)] as const);
  return `{${entries
    .sort(([a], [b]) => compareTexts(a, b))
    .map((entry) => entry.join(": "))
    .join(", ")}}`;
}
