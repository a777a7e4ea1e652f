import { Command } from "commander";
import { ClientError } from "nice-grpc";
import type { Participant, Transaction } from "../gen/concord/commit/v1/transaction.ts";
import type { Workflow } from "../gen/concord/workflow/v1/workflow.ts";
import { clientFailure } from "../rpc/errors.ts";
import { addShowOptions, type ClientOptions, type Clients, readPages, withClients } from "./client.ts";
import type { Finding } from "./diagnose/finding.ts";
import { transactionFindings } from "./diagnose/transaction.ts";
import { orphaned, workflowFindings } from "./diagnose/workflow.ts";
import { CommandError } from "./failure.ts";
import { enumText, print } from "./output.ts";
import { askProcess } from "./status/ask.ts";

/** What was looked at, and what is wrong with it. */
type Diagnosis = {
  readonly kind: "workflow" | "transaction";
  readonly id: string;
  readonly is: string;
  readonly findings: readonly Finding[];
};

export function diagnoseCommand(): Command {
  const command = new Command("diagnose")
    .description("say what keeps a workflow or a transaction from going on, and what helps. Exit code 1 if something does")
    .argument("<workflow|transaction>", "its id");
  return addShowOptions(command).action((id: string, options: ClientOptions) =>
    withClients(options, async (clients) => {
      const found = [await ofTransaction(clients, id, options), await ofWorkflow(clients, id, options)].flat();
      if (found.length === 0)
        throw new CommandError(
          `neither a workflow nor a transaction is called ${id}; of a transaction, that means aborted, or that its record was dropped after its end`,
        );
      if (found.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
      if (options.output !== "table") print(found.map((each) => JSON.stringify(each)));
      else print(found.flatMap(diagnosisLines));
    }),
  );
}

function diagnosisLines({ kind, id, is, findings }: Diagnosis): readonly string[] {
  const lines = findings.flatMap(({ what, help }) => [`! ${what}`, ...help.map((each) => `    ${each}`)]);
  return [`${kind} ${id} is ${is}`, ...(lines.length > 0 ? lines : ["nothing keeps it from going on"])];
}

async function ofTransaction(
  { commits }: Clients,
  transactionId: string,
  { timeout: deadline }: ClientOptions,
): Promise<readonly Diagnosis[]> {
  const answer = await orMissing(commits.getTransaction({ transactionId }, { deadline }));
  const { transaction, timeline = [] } = answer ?? {};
  if (transaction === undefined) return [];
  const participants = await participantsOf(commits, deadline);
  const findings = transactionFindings(transaction, { participants, timeline });
  return [{ kind: "transaction", id: transactionId, is: stateOf(transaction), findings }];
}

const stateOf = ({ phase, outcome, abortReason }: Transaction): string => {
  const decided = outcome === "OUTCOME_UNSPECIFIED" ? "not decided" : enumText("OUTCOME_", outcome);
  return `${enumText("TRANSACTION_PHASE_", phase)}, ${decided}${abortReason === "" ? "" : `: ${abortReason}`}`;
};

async function ofWorkflow(clients: Clients, workflowId: string, options: ClientOptions): Promise<readonly Diagnosis[]> {
  const call = { deadline: options.timeout };
  const workflow = (await orMissing(clients.workflows.getWorkflow({ workflowId }, call)))?.workflow;
  if (workflow === undefined) return [];
  // Of an engine that is away, nothing is known; what else is wrong can be said all the same.
  const moves = await clients.workflows.listAllowedTransitions({ workflowId }, call).catch(() => undefined);
  const findings = [...workflowFindings(workflow, moves, Date.now()), ...(await ofHold(workflow, options))];
  return [
    {
      kind: "workflow",
      id: workflowId,
      is: `${enumText("WORKFLOW_STATE_", workflow.state)} at version ${workflow.version}`,
      findings,
    },
  ];
}

/** Whether somebody will end the hold: the coordinator that it names, or nobody. */
async function ofHold({ workflowId, inTransition }: Workflow, options: ClientOptions): Promise<readonly Finding[]> {
  if (inTransition === undefined) return [];
  const { transactionId, coordinatorId } = inTransition;
  const { status } = await askProcess(options.elsewhere?.commit ?? options.address, options.timeout);
  const answering = status?.coordinator?.coordinatorId;
  if (!answering || answering === coordinatorId) return [];
  const why = `the hold waits for coordinator ${coordinatorId}, and ${answering} answers: its decision log is another one`;
  return [orphaned(workflowId, transactionId, why)];
}

async function participantsOf(commits: Clients["commits"], deadline: number): Promise<readonly Participant[]> {
  const { items } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
    const { participants, nextPageToken } = await commits.listParticipants(page, { deadline });
    return [participants, nextPageToken];
  });
  return items;
}

async function orMissing<Answer>(call: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ClientError && /_NOT_FOUND$|^WORKFLOW_PURGED$/.test(clientFailure(error).reason ?? "")) return undefined;
    throw error;
  }
}
