import { Command } from "commander";
import { formatDuration } from "../config.ts";
import { type RetentionPolicy, WorkflowTypePolicy } from "../gen/concord/workflow/v1/policy.ts";
import { durationMs } from "../rpc/duration.ts";
import { integerArgument } from "./arguments.ts";
import {
  addClientOptions,
  addMutationOptions,
  addShowOptions,
  type ClientOptions,
  type Mutation,
  readPages,
  withChange,
  withClients,
} from "./client.ts";
import { CommandError } from "./failure.ts";
import { fieldLines, jsonText, type OutputFormat, print, tableLines, timeText, whoText } from "./output.ts";
import { policyYaml, readPolicyFile } from "./policy-file.ts";
import { addExamples } from "./rule/help.ts";
import { problemLines } from "./rule-files/problem.ts";

const policyType = "concord.workflow.v1.WorkflowTypePolicy";

export function policyCommand(): Command {
  const command = new Command("policy").description("what holds for all workflows of a type: deadlines, recovery, retention");
  command.addCommand(applyCommand());
  command.addCommand(getCommand());
  command.addCommand(listCommand());
  command.addCommand(deleteCommand());
  return command;
}

function applyCommand(): Command {
  const command = new Command("apply")
    .description("set the policy of a type as a file has it; what it said before is replaced whole")
    .argument("<file>", "a YAML file, of the form that `concord policy get` prints")
    .option("--expected-revision <n>", "only if it is at this revision; 0: only if there is none", revisionArgument);
  addExamples(command, [
    "concord policy apply sample.policy.yaml --reason 'analyses take a day at most'",
    "concord policy apply sample.policy.yaml --expected-revision 4",
  ]);
  type Options = ClientOptions & Mutation & { readonly expectedRevision?: number };
  return addClientOptions(addMutationOptions(command, "applied by hand")).action(async (file: string, options: Options) => {
    const read = readPolicyFile(file);
    if (!read.ok) {
      process.stderr.write(`${read.error.flatMap(problemLines).join("\n")}\n`);
      process.exitCode = 1;
      return;
    }
    const { workflowType, terms } = read.value;
    await withChange(options, [lookAt(workflowType)], async ({ workflows }, { requestId, call }) => {
      const { reason, by: requestedBy } = options;
      const expectedRevision = bigintOf(options.expectedRevision);
      const request = { workflowType, terms, expectedRevision, reason, requestedBy, requestId };
      const { policy } = await workflows.setWorkflowTypePolicy(request, call);
      printPolicy(options.output, policy);
    });
  });
}

function getCommand(): Command {
  const command = new Command("get")
    .description("show the policy of a type, in the form that `concord policy apply` reads")
    .argument("[type]", "left out, the policy of all types that have none of their own", "");
  addExamples(command, ["concord policy get sample", "concord policy get sample > sample.policy.yaml"]);
  return addShowOptions(command).action((workflowType: string, options: ClientOptions) =>
    withClients(options, async ({ workflows }) => {
      const { policy } = await workflows.getWorkflowTypePolicy({ workflowType }, { deadline: options.timeout });
      printPolicy(options.output, policy);
    }),
  );
}

function listCommand(): Command {
  const command = new Command("list").description("list all policies");
  addExamples(command, ["concord policy list", "concord policy list -o json"]);
  return addShowOptions(command).action((options: ClientOptions) =>
    withClients(options, async ({ workflows }) => {
      const { items } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
        const answer = await workflows.listWorkflowTypePolicies(page, { deadline: options.timeout });
        return [answer.policies, answer.nextPageToken];
      });
      if (options.output !== "table") {
        for (const policy of items) print(jsonText(policyType, WorkflowTypePolicy, policy));
        return;
      }
      const rows = items.map(({ workflowType, revision, terms, metadataIndexes, updatedAt, ...policy }) => [
        workflowType === "" ? "(all others)" : workflowType,
        String(revision),
        String(terms?.deadlines.length ?? 0),
        terms?.recovery === undefined ? "-" : "yes",
        retentionText(terms?.retention),
        metadataIndexes.map(({ key, ready }) => (ready ? key : `${key} (being made)`)).join(", ") || "-",
        timeText(updatedAt),
        setterText(policy),
        policy.reason,
      ]);
      print(
        tableLines(
          ["type", "revision", "deadlines", "recovery", "retention", "indexed metadata", "updated", "by", "reason"],
          rows,
        ),
      );
    }),
  );
}

function deleteCommand(): Command {
  const command = new Command("delete")
    .description("delete the policy of a type; the one for all holds then, if there is one")
    .argument("[type]", "left out, the policy of all types that have none of their own", "")
    .option("--expected-revision <n>", "only if it is at this revision", revisionArgument);
  addExamples(command, ["concord policy delete sample --reason 'no longer needed'"]);
  type Options = ClientOptions & Mutation & { readonly expectedRevision?: number };
  return addClientOptions(addMutationOptions(command, "deleted by hand")).action((workflowType: string, options: Options) =>
    withChange(options, [lookAt(workflowType)], async ({ workflows }, { requestId, call }) => {
      const { reason, by: requestedBy } = options;
      const expectedRevision = bigintOf(options.expectedRevision);
      const request = { workflowType, expectedRevision, reason, requestedBy, requestId };
      const { policy } = await workflows.deleteWorkflowTypePolicy(request, call);
      printPolicy(options.output, policy);
    }),
  );
}

const revisionArgument = integerArgument(0, Number.MAX_SAFE_INTEGER);

const bigintOf = (value: number | undefined): bigint | undefined => (value === undefined ? undefined : BigInt(value));

const lookAt = (workflowType: string): string => `concord policy get ${workflowType}`.trimEnd();

const retentionText = (retention: RetentionPolicy | undefined): string =>
  retention === undefined ? "-" : formatDuration(durationMs(retention.after) ?? 0);

const setterText = ({ updatedBy, authenticatedAs }: Pick<WorkflowTypePolicy, "updatedBy" | "authenticatedAs">): string =>
  whoText({ requestedBy: updatedBy, authenticatedAs });

/** What is no part of the file is a comment of it. */
function printPolicy(format: OutputFormat, policy: WorkflowTypePolicy | undefined): void {
  if (policy === undefined) throw new CommandError("the server answered without a policy");
  if (format !== "table") {
    print(jsonText(policyType, WorkflowTypePolicy, policy));
    return;
  }
  const { revision, updatedAt, reason } = policy;
  const about = fieldLines([
    ["revision", String(revision)],
    ["updated", `${timeText(updatedAt)} by ${setterText(policy)}`],
    ["reason", reason],
  ]);
  print([...about.map((line) => `# ${line}`), ...policyYaml(policy).trimEnd().split("\n")]);
}
