import { setTimeout } from "node:timers/promises";
import { Command } from "commander";
import { ClientError } from "nice-grpc";
import type { RuleSetChange } from "../../gen/concord/predicate/v1/rule_set.ts";
import { adviceOf } from "../../rpc/advice.ts";
import { clientFailure } from "../../rpc/errors.ts";
import { integerArgument } from "../arguments.ts";
import { addClientOptions, type ClientOptions, type Clients, untilInterrupted, withClients } from "../client.ts";
import { print } from "../output.ts";
import { begunInTime } from "../stream.ts";
import { changeJson, changeRow, patchLines } from "./changes.ts";
import { addExamples } from "./help.ts";

export function watchCommand(): Command {
  const command = new Command("watch")
    .description("print what is done to the rules as it happens, until interrupted; a lost connection is taken up again")
    .option("--after <sequence>", "begin after this sequence; 0: with the first", integerArgument(0, Number.MAX_SAFE_INTEGER))
    .option("--diff", "show before and after of each");
  addExamples(command, ["concord rule watch --diff", "concord rule watch --after 0 -o json"]);
  type Options = ClientOptions & { readonly after?: number; readonly diff?: true };
  return addClientOptions(command).action((options: Options) =>
    withClients(options, async ({ predicates }) => {
      const after = options.after === undefined ? undefined : BigInt(options.after);
      const following = { after, signal: untilInterrupted(), pauseMs: betweenAttemptsMs, timeoutMs: options.timeout };
      for await (const change of followChanges(predicates, following)) {
        if (options.output !== "table") print(changeJson(change));
        else print([changeRow(change).join("  "), ...(options.diff === true ? patchLines(change) : [])]);
      }
    }),
  );
}

/** Soon enough for a restart, seldom enough for a server that stays away. */
const betweenAttemptsMs = 1_000;

type Following = {
  readonly after: bigint | undefined;
  readonly signal: AbortSignal;
  readonly pauseMs: number;
  readonly timeoutMs: number;
};

/** Ends with `signal`. What fails before the server has answered once fails. */
export async function* followChanges(
  predicates: Pick<Clients["predicates"], "watchRuleSet">,
  { after, signal, pauseMs, timeoutMs }: Following,
): AsyncGenerator<RuleSetChange> {
  let afterSequence = after;
  let hasAnswered = false;
  while (!signal.aborted) {
    try {
      const request = { afterSequence };
      for await (const { body } of begunInTime((call) => predicates.watchRuleSet(request, call), timeoutMs, signal)) {
        hasAnswered = true;
        if (body === undefined) continue;
        if (body.$case === "change") yield body.value;
        afterSequence = body.$case === "change" ? body.value.sequence : body.value;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!hasAnswered || !(error instanceof ClientError) || adviceOf(clientFailure(error)).retry !== "same") throw error;
    }
    await setTimeout(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
