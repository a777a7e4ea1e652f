import { Away, Broken, NotTried } from "./broken.ts";
import type { Play } from "./play.ts";
import type { Need, Rule, Verdict } from "./rule.ts";

const needText: Readonly<Record<Need, string>> = {
  start: "--start, so that the check can kill the participant and start it",
  "abort-payload": "--abort-payload, work that it refuses",
  "read-only-payload": "--read-only-payload, work that changes nothing",
};

type Judged = { readonly verdict: Verdict; readonly isAway: boolean };

/** Tries one rule after the other. A verdict is told as soon as there is one. */
export async function runRules(options: {
  readonly rules: readonly Rule[];
  readonly play: Play;
  /** What can be tried. */
  readonly has: ReadonlySet<Need>;
  readonly onVerdict: (verdict: Verdict) => void;
}): Promise<readonly Verdict[]> {
  const { rules, play, has, onVerdict } = options;
  const verdicts: Verdict[] = [];
  /** Why nothing more can be tried that needs a participant. */
  let gone: string | undefined;
  /** How often in a row there was none. */
  let timesAway = 0;
  for (const rule of rules) {
    const missing = (rule.needs ?? []).find((need) => !has.has(need));
    const why = missing === undefined ? rule.observes !== true && gone : `needs ${needText[missing]}`;
    const { verdict, isAway } = why ? notTried(rule, why) : await judge(rule, play);
    verdicts.push(verdict);
    onVerdict(verdict);
    if (why || rule.observes) continue;
    timesAway = isAway ? timesAway + 1 : 0;
    gone = timesAway > 1 ? notBack(rule) : await makeReady(rule, verdict.verdict === "failed", isAway);
  }
  return verdicts;

  /** The next rule begins with a participant that is there, and has nothing of this rule on its mind; or the reason why there is none. */
  async function makeReady(rule: Rule, hasFailed: boolean, isAway: boolean): Promise<string | undefined> {
    const { id, sendsAway } = rule;
    if (hasFailed) play.part();
    await play.settle();
    if (!hasFailed && !sendsAway) return undefined;
    if (!has.has("start")) {
      if (isAway) return notBack(rule);
      return sendsAway ? `the participant stays away (${id}); --start would bring it back` : undefined;
    }
    try {
      await play.restart();
      return undefined;
    } catch (error) {
      if (error instanceof Away) return `the participant cannot be started again: ${error.seen}`;
      throw error;
    }
  }
}

const notBack = ({ id }: Rule): string => `the participant did not come back (${id})`;

async function judge(rule: Rule, play: Play): Promise<Judged> {
  const { id, says, where } = rule;
  try {
    await rule.run(play);
    return { verdict: { id, says, where, verdict: "passed" }, isAway: false };
  } catch (error) {
    if (error instanceof NotTried) return notTried(rule, error.message);
    if (!(error instanceof Broken)) throw error;
    const { seen, right } = error;
    return { verdict: { id, says, where, verdict: "failed", seen, right }, isAway: error instanceof Away };
  }
}

const notTried = ({ id, says, where }: Rule, why: string): Judged => ({
  verdict: { id, says, where, verdict: "not-tried", why },
  isAway: false,
});
