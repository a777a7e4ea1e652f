import { Command } from "commander";
import type { Participant, Transaction } from "../gen/concord/commit/v1/transaction.ts";
import type { GetTransactionResponse } from "../gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "../gen/concord/predicate/v1/predicate_logic.ts";
import type { Workflow } from "../gen/concord/workflow/v1/workflow.ts";
import type { GetWorkflowResponse } from "../gen/concord/workflow/v1/workflow_service.ts";
import { assert } from "../kernel/assert.ts";
import { clientFailure } from "../rpc/errors.ts";
import { addShowOptions, type ClientOptions, type Clients, readPages, withClients } from "./client.ts";
import { type Asked, ask, coordinatorIsSilent, type Denied, managerIsSilent, type Silence, unseenOf } from "./diagnose/ask.ts";
import type { Finding } from "./diagnose/finding.ts";
import { participantsUnknown, transactionFindings, workflowUnknown } from "./diagnose/transaction.ts";
import { endUnknown, movesUntold, orphaned, rulesSilent, workflowFindings } from "./diagnose/workflow.ts";
import { CommandError } from "./failure.ts";
import { enumText, print } from "./output.ts";
import { askProcess } from "./status/ask.ts";

/** What was looked at, and what is wrong with it. */
type Diagnosis = {
  readonly kind: "workflow" | "transaction";
  readonly id: string;
  readonly is: string;
  readonly findings: readonly Finding[];
  /** What its caller may not see, and why not. */
  readonly unseen: readonly string[];
};

export function diagnoseCommand(): Command {
  const command = new Command("diagnose")
    .description("say what keeps a workflow or a transaction from going on, and what helps. Exit code 1 if something does")
    .argument("<workflow|transaction>", "its id");
  return addShowOptions(command).action((id: string, options: ClientOptions) =>
    withClients(options, async (clients) => {
      const found = await diagnose(clients, id, options);
      if (found.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
      if (options.output !== "table") print(found.map((each) => JSON.stringify(each)));
      else print(found.flatMap(diagnosisLines));
    }),
  );
}

/** Rejects if nothing of this id was found. */
export async function diagnose(clients: Clients, id: string, options: ClientOptions): Promise<readonly Diagnosis[]> {
  const { timeout: deadline } = options;
  const [transaction, workflow] = await Promise.all([
    ask(clients.commits.getTransaction({ transactionId: id }, { deadline }), coordinatorAddress(options), options),
    ask(clients.workflows.getWorkflow({ workflowId: id }, { deadline }), options.address, options),
  ]);
  const found: Diagnosis[] = [];
  if (transaction.type === "answer") found.push(await ofTransaction(clients, transaction.answer, workflow, options));
  if (workflow.type === "answer") found.push(await ofWorkflow(clients, workflow.answer, transaction, options));
  if (found.length === 0) throw notFound(id, transaction, workflow);
  return found;
}

function notFound(id: string, transaction: Asked<unknown>, workflow: Asked<unknown>): Error {
  if (workflow.type === "denied" && transaction.type === "denied")
    return new CommandError(
      `whether a workflow or a transaction is called ${id} is not known: ${workflow.why}; of a transaction, ${transaction.why}`,
    );
  if ("error" in workflow && "error" in transaction) return workflow.type === "denied" ? transaction.error : workflow.error;
  if ("error" in transaction) {
    const start = transaction.type === "denied" ? "" : "; start it, with its own log";
    return new CommandError(
      `no workflow that you may see is called ${id}; whether a transaction is, is not known: ${whyUnknown(transaction, coordinatorIsSilent)}${start}`,
    );
  }
  if ("error" in workflow)
    return new CommandError(
      `no transaction that you may see is called ${id}; whether a workflow is, is not known: ${whyUnknown(workflow, managerIsSilent)}`,
    );
  return new CommandError(
    `neither a workflow nor a transaction that you may see is called ${id}; of a transaction that you might see, that means aborted, or that its record was dropped after its end`,
  );
}

const whyUnknown = (asked: Denied | Silence, isSilent: (silence: Silence) => string): string =>
  asked.type === "denied" ? asked.why : isSilent(asked);

const coordinatorAddress = ({ address, elsewhere }: ClientOptions): string => elsewhere?.commit ?? address;

function diagnosisLines({ kind, id, is, findings, unseen }: Diagnosis): readonly string[] {
  const lines = findings.flatMap(({ what, help }) => [`! ${what}`, ...help.map((each) => `    ${each}`)]);
  const nothing = `nothing ${unseen.length === 0 ? "" : "that you may see "}keeps it from going on`;
  return [`${kind} ${id} is ${is}`, ...(lines.length > 0 ? lines : [nothing]), ...unseen.map((what) => `? ${what}`)];
}

async function ofTransaction(
  { commits }: Clients,
  { transaction, timeline }: GetTransactionResponse,
  workflow: Asked<unknown>,
  options: ClientOptions,
): Promise<Diagnosis> {
  assert(transaction !== undefined, "an answer has what was asked for");
  const participants = await ask(participantsOf(commits, options.timeout), coordinatorAddress(options), options);
  const known = { participants: participants.type === "answer" ? participants.answer : undefined, timeline };
  const findings = [
    ...transactionFindings(transaction, known),
    ...(participants.type === "silence" ? [participantsUnknown(participants)] : []),
    ...(workflow.type === "silence" ? [workflowUnknown(workflow)] : []),
  ];
  const unseen = [
    ...unseenOf("which participants are connected", participants),
    ...unseenOf("whether a workflow has this id, too", workflow),
  ];
  return { kind: "transaction", id: transaction.transactionId, is: stateOf(transaction), findings, unseen };
}

const stateOf = ({ phase, outcome, abortReason }: Transaction): string => {
  const decided = outcome === "OUTCOME_UNSPECIFIED" ? "not decided" : enumText("OUTCOME_", outcome);
  return `${enumText("TRANSACTION_PHASE_", phase)}, ${decided}${abortReason === "" ? "" : `: ${abortReason}`}`;
};

async function ofWorkflow(
  clients: Clients,
  { workflow }: GetWorkflowResponse,
  transaction: Asked<unknown>,
  options: ClientOptions,
): Promise<Diagnosis> {
  assert(workflow !== undefined, "an answer has what was asked for");
  const { workflowId, state, version } = workflow;
  const { address, timeout: deadline } = options;
  const moves = await ask(clients.workflows.listAllowedTransitions({ workflowId }, { deadline }), address, options);
  const coordinator = transaction.type === "silence" ? transaction : undefined;
  const hold = coordinator === undefined ? await ofHold(workflow, options) : { findings: [], unseen: [] };
  const findings = [
    ...workflowFindings(workflow, { moves: moves.type === "answer" ? moves.answer : undefined, coordinator, nowMs: Date.now() }),
    ...(moves.type === "silence" ? [await movesUnknown(moves, options)] : []),
    ...hold.findings,
  ];
  const unseen = [
    ...unseenOf("which moves are allowed", moves),
    ...unseenOf("whether a transaction has this id, too", transaction),
    ...hold.unseen,
  ];
  return {
    kind: "workflow",
    id: workflowId,
    is: `${enumText("WORKFLOW_STATE_", state)} at version ${version}`,
    findings,
    unseen,
  };
}

/** The rules are asked by the workflow manager, which knows where they are. */
async function movesUnknown(silence: Silence, options: ClientOptions): Promise<Finding> {
  const { address, elsewhere, timeout } = options;
  if (clientFailure(silence.error).reason !== "PREDICATE_LOGIC_UNAVAILABLE") return movesUntold(silence);
  const { status } = await askProcess(address, timeout, options);
  const rules = status?.peers.find(({ name }) => name === PredicateLogicDefinition.fullName);
  return rulesSilent(rules?.address ?? elsewhere?.predicate ?? address);
}

/** Whether somebody will end the hold: the coordinator that it names, or nobody. */
async function ofHold(workflow: Workflow, options: ClientOptions): Promise<Pick<Diagnosis, "findings" | "unseen">> {
  const { workflowId, inTransition } = workflow;
  const found = (...findings: readonly Finding[]) => ({ findings, unseen: [] });
  if (inTransition === undefined) return found();
  const { transactionId, coordinatorId } = inTransition;
  const address = coordinatorAddress(options);
  const { status, failure, unseen } = await askProcess(address, options.timeout, options);
  if (status === undefined && failure === undefined) return { findings: [], unseen };
  const answering = status?.coordinator?.coordinatorId;
  if (!answering) return found(endUnknown(address, failure ?? "it has not claimed its decision log yet"));
  if (answering === coordinatorId) return found();
  const why = `the hold waits for coordinator ${coordinatorId}, and ${answering} answers: its decision log is another one`;
  return found(orphaned(workflowId, transactionId, why));
}

async function participantsOf(commits: Clients["commits"], deadline: number): Promise<readonly Participant[]> {
  const { items } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
    const { participants, nextPageToken } = await commits.listParticipants(page, { deadline });
    return [participants, nextPageToken];
  });
  return items;
}
