import { printable } from "../../kernel/text.ts";
import type { Verdict } from "./rule.ts";

const shown = { passed: "passed", failed: "FAILED", "not-tried": "not tried" } as const;

/** Wide enough for the longest id. */
const idWidth = 36;

/** One rule for people: what it says and where, if there is something to do about it. */
export function verdictLines(verdict: Verdict): readonly string[] {
  const { id, says, where } = verdict;
  const first = `${shown[verdict.verdict].padEnd(11)}${id.padEnd(idWidth)}${where}`;
  const more = (lines: readonly string[]): readonly string[] => [first, ...lines.map((line) => printable(`           ${line}`))];
  switch (verdict.verdict) {
    case "passed":
      return [first];
    case "failed":
      return more([says, `seen:  ${verdict.seen}`, `right: ${verdict.right}`]);
    case "not-tried":
      return more([verdict.why]);
  }
}

export type Counts = { readonly passed: number; readonly failed: number; readonly notTried: number };

export function countsOf(verdicts: readonly Verdict[]): Counts {
  const count = (wanted: Verdict["verdict"]): number => verdicts.filter(({ verdict }) => verdict === wanted).length;
  return { passed: count("passed"), failed: count("failed"), notTried: count("not-tried") };
}

export const countsLine = ({ passed, failed, notTried }: Counts): string =>
  `${passed} passed, ${failed} failed, ${notTried} not tried`;

/** For programs: one object on one line. */
export const reportJson = (participantId: string, verdicts: readonly Verdict[]): string =>
  JSON.stringify({ participantId, ...countsOf(verdicts), rules: verdicts });
