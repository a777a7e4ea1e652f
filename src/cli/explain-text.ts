import { printable } from "../kernel/text.ts";
import type { ExplainedInput, ExplainedPart, ExplainedRound, Explanation, ShownOutcome } from "../predicate/core/explain.ts";

/**
 * For a terminal: each line of the expression with the values beneath it, each where its operator, name or call stands; then what loops
 * have looked at, and what was read.
 */
export function explanationLines(source: string, { outcome, parts, inputs, omittedCount }: Explanation): readonly string[] {
  const result = outcome.type === "error" ? `could not be evaluated: ${outcome.message}` : shown(outcome);
  return [
    ...source.split(/\r\n|\r|\n/).flatMap((line, at) => underlined(line, partsOfLine(parts, at + 1))),
    "",
    `= ${printable(result)}`,
    ...parts.flatMap((part) => loopLines(part, "")),
    ...(inputs.length === 0 ? [] : ["", "read:", ...inputs.map(inputLine)]),
    ...(omittedCount === 0 ? [] : ["", `${omittedCount} more are not shown`]),
  ];
}

/** An error is shown where it arose; whatever it spread to has the same one. */
function partsOfLine(parts: readonly ExplainedPart[], line: number): readonly ExplainedPart[] {
  return parts.filter(
    ({ position, outcome }) => position.line === line && (outcome.type !== "error" || isOrigin(outcome.message, position)),
  );
}

const isOrigin = (message: string, { line, column }: ExplainedPart["position"]): boolean =>
  message.startsWith(`line ${line}, column ${column}:`);

/** The rightmost value stands highest; a bar leads down to each of the others. */
function underlined(line: string, parts: readonly ExplainedPart[]): readonly string[] {
  const places = parts
    .map(({ position, outcome }) => ({ at: position.column - 1, text: printable(shown(outcome)) }))
    .sort((a, b) => a.at - b.at);
  if (places.length === 0) return [line];
  const bars = (count: number) =>
    places.slice(0, count).reduce((text, { at }) => `${text.padEnd(at)}${text.length > at ? "" : "|"}`, "");
  const rows = places.map((_, index) => {
    const { at, text } = places[places.length - 1 - index] ?? { at: 0, text: "" };
    return `${bars(places.length - 1 - index)
      .padEnd(at)
      .slice(0, at)}${text}`;
  });
  return [line, bars(places.length), ...rows];
}

function shown(outcome: ShownOutcome): string {
  if (outcome.type === "not-evaluated") return "(not evaluated)";
  return outcome.type === "error" ? `error: ${outcome.message.replace(/^line \d+, column \d+: /, "")}` : outcome.value;
}

function loopLines({ text, rounds, roundCount }: ExplainedPart, indent: string): readonly string[] {
  if (rounds.length === 0) return [];
  const elements = `${roundCount} ${roundCount === 1 ? "element" : "elements"}`;
  return [
    "",
    `${indent}${printable(text)}: looked at ${elements}`,
    ...rounds.flatMap((round) => roundLines(round, `${indent}  `)),
  ];
}

function roundLines({ index, element, parts }: ExplainedRound, indent: string): readonly string[] {
  return [
    `${indent}[${index}] ${printable(element)}`,
    ...parts.map(({ text, outcome }) => `${indent}    ${printable(`${text}: ${shown(outcome)}`)}`),
    ...parts.flatMap((part) => loopLines(part, `${indent}    `)),
  ];
}

function inputLine({ path, value, isAbsent }: ExplainedInput): string {
  return `  ${printable(`${path}: ${isAbsent ? "(absent)" : (value ?? "(present)")}`)}`;
}
