import { Command, Option } from "commander";
import { ReplayVerdictsResponse } from "../../gen/concord/predicate/v1/predicate_logic.ts";
import { type TransitionVerdict, VerdictRecord } from "../../gen/concord/predicate/v1/verdict.ts";
import { limitArgument } from "../arguments.ts";
import { addClientOptions, addShowOptions, type ClientOptions, printMore, readPages, withClients } from "../client.ts";
import { enumText, jsonText, print, tableLines, timeText, whoText } from "../output.ts";
import { verdictLines } from "./check.ts";
import { revisionArgument } from "./fields.ts";
import { addExamples } from "./help.ts";

type Wanted = { readonly workflow: string; readonly rule: string; readonly filter: string };

export function verdictsCommand(): Command {
  const command = new Command("verdicts")
    .description("list what was decided, newest first: denials, warnings, audits, and what rules in shadow would have said")
    .option("--limit <n>", "show at most this many", limitArgument, 100);
  addExamples(command, [
    "concord rule verdicts --rule cold --limit 10",
    `concord rule verdicts --filter 'verdict.judgement == "RULE_DENIED" && verdict.requested_by == "ada"'`,
  ]);
  return addShowOptions(addWanted(command)).action((options: ClientOptions & Wanted & { readonly limit: number }) =>
    withClients(options, async ({ predicates }) => {
      const { items: found, more } = await readPages(options.limit, async (page) => {
        const answer = await predicates.listVerdicts({ ...page, ...wantedOf(options) }, { deadline: options.timeout });
        return [answer.verdicts, answer.nextPageToken];
      });
      if (options.output !== "table") {
        for (const record of found) print(jsonText("concord.predicate.v1.VerdictRecord", VerdictRecord, record));
        return;
      }
      print(tableLines(["sequence", "judged", "workflow", "move", "judgement", "by", "rules"], found.map(rowOf)));
      printMore(more, options.limit);
    }),
  );
}

export function replayCommand(): Command {
  const command = new Command("replay")
    .description(
      "judge what was decided once more, by the rules as they are or were; exits with 1 if something would be otherwise",
    )
    .addOption(new Option("--revision <n>", "by the rule set of this revision").argParser(revisionArgument))
    .option("--limit <n>", "judge at most this many, the newest", limitArgument);
  addExamples(command, ["concord rule replay --revision 12", "concord rule replay --rule cold --limit 1000 -o json"]);
  type Options = ClientOptions & Wanted & { readonly revision?: number; readonly limit?: number };
  return addClientOptions(addWanted(command)).action((options: Options) =>
    withClients(options, async ({ predicates }) => {
      const revision = options.revision === undefined ? undefined : BigInt(options.revision);
      // It takes as long as there is something to judge; that somebody is there may not.
      await predicates.listVerdicts({ ...wantedOf(options), pageSize: 1 }, { deadline: options.timeout });
      const messages = predicates.replayVerdicts({ ...wantedOf(options), revision, limit: options.limit ?? 0 });
      for await (const message of messages) {
        if (message.body?.$case === "difference") process.exitCode = 1;
        if (options.output !== "table")
          print(jsonText("concord.predicate.v1.ReplayVerdictsResponse", ReplayVerdictsResponse, message));
        else print(replayLines(message));
      }
    }),
  );
}

const addWanted = (command: Command): Command =>
  command
    .option("--workflow <id>", "only what was judged of this workflow", "")
    .option("--rule <id>", "only what this rule has said something of", "")
    .option("--filter <cel>", `a condition, such as 'verdict.judgement == "RULE_DENIED"'`, "");

const wantedOf = ({ workflow, rule, filter }: Wanted) => ({ workflowId: workflow, ruleId: rule, filter });

function rowOf(record: VerdictRecord): readonly string[] {
  const { sequence, judgedAt, workflowId, verdict } = record;
  const judgement = enumText("JUDGEMENT_", verdict?.judgement ?? "");
  return [String(sequence), timeText(judgedAt), workflowId, moveOf(record), judgement, whoText(record), rulesOf(verdict)];
}

function moveOf({ fromState, toState }: VerdictRecord): string {
  return `${enumText("WORKFLOW_STATE_", fromState)}:${enumText("WORKFLOW_STATE_", toState)}`;
}

/** Who has said something; what of it does not deny is marked. */
function rulesOf(verdict: TransitionVerdict | undefined): string {
  const said = (mark: string, found: readonly { readonly ruleId: string }[] = []) => found.map(({ ruleId }) => mark + ruleId);
  const denials = [
    ...said("", verdict?.violations),
    ...(verdict?.violationsOmitted ? [`and ${verdict.violationsOmitted} more`] : []),
  ];
  return [
    ...denials,
    ...said("warn:", verdict?.warnings),
    ...said("audit:", verdict?.audits),
    ...said("shadow:", verdict?.shadows),
  ].join(" ");
}

function replayLines({ body }: ReplayVerdictsResponse): readonly string[] {
  if (body?.$case === "difference") {
    const { record, verdict } = body.value;
    if (record?.verdict === undefined || verdict === undefined) return [];
    return [
      `${record.sequence} ${timeText(record.judgedAt)} ${record.workflowId} ${moveOf(record)}`,
      ...verdictLines(record.verdict).map((line) => `- ${line}`),
      ...verdictLines(verdict).map((line) => `+ ${line}`),
      "",
    ];
  }
  if (body === undefined || !body.value.complete) return [];
  const { ruleSetRevision, judged, skipped, different } = body.value;
  const left = skipped > 0n ? `; ${skipped} cannot be judged, for their questions were not kept (--verdict-log-input whole)` : "";
  return [`${judged} judged by rule set revision ${ruleSetRevision}, ${different} would be otherwise${left}`];
}
