import { Command, Option } from "commander";
import {
  type AssessImpactRequest,
  type DeepPartial,
  type ImpactDifference,
  ImpactKind,
} from "../../gen/concord/predicate/v1/predicate_logic.ts";
import type { TransitionCheck, TransitionVerdict } from "../../gen/concord/predicate/v1/verdict.ts";
import { type Workflow, WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";
import { allowedMoves, workflowStates } from "../../kernel/lifecycle.ts";
import { integerArgument, limitArgument } from "../arguments.ts";
import { addClientOptions, addMutationOptions, type ClientOptions, type Clients, type Mutation, withClients } from "../client.ts";
import { UsageError } from "../failure.ts";
import { enumText, print, tableLines } from "../output.ts";
import type { RuleFiles } from "../rule-files.ts";
import { verdictLines } from "./check.ts";
import { explained } from "./explained.ts";
import { ruleVersionArgument } from "./fields.ts";
import { addExamples } from "./help.ts";
import { batchesOf, type PossibleMove } from "./impact-batches.ts";
import { lastEventOf } from "./last-event.ts";
import { readFiles, ruleSetItems, sourceOfFiles } from "./rule-set.ts";

type Options = ClientOptions &
  Mutation & {
    readonly version?: number;
    readonly deactivate?: true;
    readonly filter: string;
    readonly limit: number;
    readonly recorded?: number;
    readonly examples: number;
    readonly files?: readonly string[];
  };

type Candidate = NonNullable<DeepPartial<AssessImpactRequest>["candidate"]>;

/** A move that would be judged otherwise. */
type Difference = Pick<ImpactDifference, "kind" | "before" | "after"> & { readonly move: PossibleMove };

type Found = {
  workflows: number;
  /** Recorded verdicts without their questions. Undefined: workflows were looked at. */
  skipped: number | undefined;
  moves: number;
  revision: bigint;
  /** By kind, move and type. */
  readonly counts: Map<string, number>;
  /** The first of each kind. */
  readonly examples: Difference[];
  /** There are workflows beyond the limit. */
  more: boolean;
};

export function impactCommand(): Command {
  const command = new Command("impact")
    .description("say which possible moves of all workflows would be judged otherwise if a rule, or the rule set, were changed")
    .argument("[rule]", "the rule that would be activated")
    .option("--version <n>", "in this version; left out, the newest", ruleVersionArgument)
    .addOption(new Option("--deactivate", "if the rule were deactivated").conflicts("version"))
    .option("--files <path...>", "if these files and folders were applied, instead of a rule")
    .option("--filter <cel>", `of these workflows, such as 'workflow.type == "sample"'; with --recorded, of these verdicts`, "")
    .option("--limit <n>", "look at so many workflows at most", limitArgument, 100_000)
    .addOption(
      new Option("--recorded <n>", "instead, what was judged: the newest n verdicts whose questions were kept")
        .argParser(limitArgument)
        .conflicts("limit"),
    )
    .option("--examples <n>", "show so many of each kind", integerArgument(0, 20), 3);
  addExamples(command, [
    "concord rule impact cold",
    "concord rule impact cold --deactivate --filter 'workflow.state == \"ACTIVE\"'",
    "concord rule impact --files rules/ --recorded 1000",
  ]);
  return addClientOptions(addMutationOptions(command, "what if")).action((ruleId: string | undefined, options: Options) => {
    if ((ruleId === undefined) === (options.files === undefined)) throw new UsageError("name a rule, or --files");
    const files = options.files && readFiles(options.files);
    const candidate = files === undefined ? candidateOf(ruleId ?? "", options) : candidateOfFiles(files);
    return withClients(options, async (clients) => {
      const found = await explained(assess(clients, candidate, options), files && sourceOfFiles(files));
      print(options.output !== "table" ? JSON.stringify(summaryOf(found)) : foundLines(found));
    });
  });
}

const candidateOf = (ruleId: string, { version = 0, deactivate }: Options): Candidate =>
  deactivate === true ? { $case: "deactivateRuleId", value: ruleId } : { $case: "activate", value: { ruleId, version } };

const candidateOfFiles = ({ rules, facts, workflowTypes }: RuleFiles): Candidate => ({
  $case: "ruleSet",
  value: { rules, facts, workflowTypes },
});

/** A question that is asked of both rule sets. */
type Asked = PossibleMove & DeepPartial<TransitionCheck>;

async function assess(clients: Clients, candidate: Candidate, options: Options): Promise<Found> {
  const { timeout: deadline } = options;
  const found: Found = { workflows: 0, skipped: undefined, moves: 0, revision: 0n, counts: new Map(), examples: [], more: false };
  const look = async (asked: readonly Asked[]): Promise<void> => {
    for (const batch of batchesOf(asked)) {
      const answer = await clients.predicates.assessImpact({ candidate, checks: batch }, { deadline });
      found.moves += batch.length;
      found.revision = answer.ruleSetRevision;
      for (const { checkIndex, ...difference } of answer.differences) {
        const move = batch[checkIndex];
        if (move !== undefined) note(found, { ...difference, move }, options.examples);
      }
      showProgress(found);
    }
  };
  await (options.recorded === undefined
    ? lookAtWorkflows(clients, candidate, options, found, look)
    : lookAtVerdicts(clients, options.recorded, options, found, look));
  if (process.stderr.isTTY) process.stderr.write("\n");
  return found;
}

type Look = (asked: readonly Asked[]) => Promise<void>;

/** Workflow by workflow as they are listed: those that change meanwhile may be seen before or after. */
async function lookAtWorkflows(
  { workflows, predicates }: Clients,
  candidate: Candidate,
  options: Options,
  found: Found,
  look: Look,
): Promise<void> {
  const { timeout: deadline, filter, limit, reason, by: requestedBy } = options;
  // One call a workflow: only if some rule has a use for it.
  const isRead = candidate.$case === "ruleSet" || (await areLastEventsRead(predicates, candidate, options));
  let pageToken = "";
  do {
    const page = await workflows.listWorkflows(
      { pageToken, filter, pageSize: Math.min(1_000, limit - found.workflows) },
      { deadline },
    );
    found.workflows += page.workflows.length;
    const moves = page.workflows.map(movesOf);
    const known = isRead ? await Promise.all(moves.map((each) => withLastEvent(workflows, each, deadline))) : moves;
    await look(known.flat().map((move) => ({ ...move, reason, requestedBy })));
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.workflows < limit);
  found.more = pageToken !== "";
}

/** Newest first, as they were asked, by whom they were asked, and then. */
async function lookAtVerdicts(
  { predicates }: Clients,
  limit: number,
  { filter, timeout: deadline }: Options,
  found: Found,
  look: Look,
): Promise<void> {
  let pageToken = "";
  do {
    const page = await predicates.listVerdicts(
      { pageToken, filter, pageSize: Math.min(1_000, limit - found.moves) },
      { deadline },
    );
    const asked = page.verdicts.flatMap(({ input }): Asked[] =>
      input?.workflow === undefined ? [] : [{ ...input, workflow: input.workflow }],
    );
    found.skipped = (found.skipped ?? 0) + page.verdicts.length - asked.length;
    await look(asked);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.moves < limit);
}

/** What a transaction holds cannot move now, but will be able to. */
function movesOf(workflow: Workflow): readonly PossibleMove[] {
  const state = workflowStates.find((name) => WorkflowState[name] === workflow.state);
  return state === undefined ? [] : allowedMoves(state).map((target) => ({ workflow, targetState: WorkflowState[target] }));
}

async function withLastEvent(
  workflows: Clients["workflows"],
  moves: readonly PossibleMove[],
  deadline: number,
): Promise<readonly PossibleMove[]> {
  const lastEvent = await lastEventOf(workflows, moves[0]?.workflow, deadline);
  return moves.map((move) => ({ ...move, lastEvent }));
}

async function areLastEventsRead(predicates: Clients["predicates"], candidate: Candidate, options: Options): Promise<boolean> {
  const rules = (await ruleSetItems(predicates, options)).map(({ item }) => item?.value);
  if (candidate.$case === "activate") {
    const { ruleId = "", version = 0 } = candidate.value ?? {};
    rules.push((await predicates.getRule({ ruleId, version }, { deadline: options.timeout })).rule);
  }
  const readsLastEvent = (text: unknown): boolean => typeof text === "string" && text.includes("last_event");
  return rules.some((each) => Object.values(each ?? {}).some(readsLastEvent));
}

function note({ counts, examples }: Found, difference: Difference, examplesMax: number): void {
  const key = JSON.stringify(keyOf(difference));
  counts.set(key, (counts.get(key) ?? 0) + 1);
  const shown = examples.filter(({ kind }) => kind === difference.kind).length;
  if (shown < examplesMax) examples.push(difference);
}

const keyOf = ({ kind, move: { workflow, targetState } }: Difference): readonly [string, string, string, string] => [
  enumText("IMPACT_KIND_", kind),
  enumText("WORKFLOW_STATE_", workflow.state),
  enumText("WORKFLOW_STATE_", targetState),
  workflow.type,
];

/** For who waits at a terminal. */
function showProgress({ workflows, moves }: Found): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${workflows} workflows, ${moves} moves looked at`);
}

const countsOf = ({ counts }: Found) =>
  [...counts]
    .map(([key, count]) => [...(JSON.parse(key) as ReturnType<typeof keyOf>), count] as const)
    .toSorted((a, b) => b[4] - a[4]);

function summaryOf(found: Found) {
  return {
    ruleSetRevision: String(found.revision),
    workflows: found.workflows,
    moves: found.moves,
    skipped: found.skipped,
    complete: !found.more,
    differences: countsOf(found).map(([kind, from, to, type, count]) => ({ kind, from, to, type, count })),
    examples: found.examples.map((each) => ({
      workflowId: each.move.workflow.workflowId,
      kind: keyOf(each)[0],
      to: keyOf(each)[2],
    })),
  };
}

const kinds = {
  [ImpactKind.NEWLY_DENIED]: "newly denied",
  [ImpactKind.NEWLY_ALLOWED]: "newly allowed",
  [ImpactKind.NEWLY_WARNED]: "newly warned",
  [ImpactKind.OTHER_RULES]: "other rules",
} as Readonly<Partial<Record<ImpactKind, string>>>;

function foundLines(found: Found): readonly string[] {
  const { workflows, skipped, moves, revision, more, examples } = found;
  const what = skipped === undefined ? `possible moves of ${workflows} workflows` : "moves that were judged before";
  const rows = countsOf(found).map(([kind, from, to, type, count]) => [
    String(count),
    kinds[ImpactKind[kind as keyof typeof ImpactKind]] ?? kind,
    `${from}:${to}`,
    type === "" ? "-" : type,
  ]);
  return [
    `looked at ${moves} ${what}, beside rule set revision ${revision}`,
    ...(skipped ? [`${skipped} more cannot be judged, for their questions were not kept (--verdict-log-input whole)`] : []),
    ...(more ? ["there are more workflows: see --limit"] : []),
    ...(rows.length === 0
      ? ["none would be judged otherwise"]
      : ["", ...tableLines(["moves", "would be", "move", "type"], rows)]),
    ...examples.flatMap(exampleLines),
  ];
}

function exampleLines({ kind, before, after, move }: Difference): readonly string[] {
  const target = enumText("WORKFLOW_STATE_", move.targetState);
  const told = (title: string, verdict: TransitionVerdict | undefined): readonly string[] =>
    verdict === undefined ? [] : verdictLines(verdict).map((line, at) => `  ${at === 0 ? title : "     "} ${line}`);
  return [
    "",
    `${move.workflow.workflowId} to ${target}: ${kinds[kind] ?? ""}`,
    ...told("now: ", before),
    ...told("then:", after),
  ];
}
