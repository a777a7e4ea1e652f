import type { Verdict } from "../../src/cli/participant-check/rule.ts";
import { shellWord } from "../../src/cli/shell-word.ts";
import { runConcord } from "./process.ts";

/** A command for a shell, which becomes it. */
export const commandLine = (...words: readonly string[]): string => `exec ${words.map(shellWord).join(" ")}`;

/** The coordinator's address, as such a command finds it. */
export const checkAddress = '"$CONCORD_ADDRESS"';

/** `concord participant-check` of a participant that `start` runs, with these rules or all. `amiss`: what has not passed, and why. */
export async function checkParticipant(
  participantId: string,
  start: string,
  { flags, only = [] }: { readonly flags: readonly string[]; readonly only?: readonly string[] },
) {
  const chosen = only.length === 0 ? [] : ["--rule", ...only];
  const asked = ["--participant-id", participantId, "--start", start, "--listen", "127.0.0.1:0", "-o", "json"];
  const program = runConcord(["participant-check", ...asked, ...flags, ...chosen]);
  const code = await program.exited;
  const report = /^\{.*"rules":.*$/m.exec(program.text());
  if (report === null) throw new Error(`no report:\n${program.text()}`);
  const { rules: verdicts, passed } = JSON.parse(report[0]) as { readonly rules: readonly Verdict[]; readonly passed: number };
  const notPassed = verdicts.filter(({ verdict }) => verdict !== "passed");
  const why = (each: Verdict): string =>
    each.verdict === "failed" ? `${each.seen}, not ${each.right}` : each.verdict === "not-tried" ? each.why : "";
  return {
    code,
    passed,
    failed: notPassed.filter(({ verdict }) => verdict === "failed").map(({ id }) => id),
    amiss: Object.fromEntries(notPassed.map((each) => [each.id, why(each)])),
  };
}
