import { Command } from "commander";
import { methodRules } from "../../access/core/methods.ts";
import { workflowStates } from "../../kernel/lifecycle.ts";
import { openChannel } from "../../rpc/clients/channel.ts";
import { addClientOptions, type ClientOptions, type Clients, connect } from "../client.ts";
import { readContexts } from "../context/file.ts";
import { securityOf } from "../security.ts";
import type { NameKind, Names } from "./candidates.ts";

/** Nobody waits longer for a proposal. */
export const completionMsMax = 1_000;

const namesMax = 100;

/** Of the server that the command line means. Whatever goes wrong, there is nothing to propose. */
export function createNames(words: readonly string[]): Names {
  return async (kind, prefix) => {
    if (kind === "context") return Object.keys(readContexts().contexts);
    if (kind === "method") return [...methodRules.keys()].map((method) => method.slice(method.lastIndexOf("/") + 1));
    if (kind === "state") return workflowStates;
    if (kind === "outcome") return ["committed", "aborted"];
    const { address, elsewhere = {}, ...options } = await optionsIn(words);
    const at = { workflow: address, predicate: elsewhere.predicate ?? address, commit: elsewhere.commit ?? address };
    const channel = openChannel(at[serviceOf[kind]], securityOf(options));
    try {
      return await asked[kind](connect(channel), prefix);
    } finally {
      channel.close();
    }
  };
}

/** What was typed of the options that all commands have. */
async function optionsIn(words: readonly string[]): Promise<ClientOptions> {
  const command = addClientOptions(new Command().exitOverride().allowUnknownOption().allowExcessArguments());
  const read = Promise.withResolvers<ClientOptions>();
  command.configureOutput({ writeErr: () => undefined }).argument("[words...]");
  command.action((_, options: ClientOptions) => read.resolve(options));
  await command.parseAsync(words.slice(0, -1), { from: "user" });
  return read.promise;
}

type AskedKind = Exclude<NameKind, "method" | "context" | "state" | "outcome">;

const serviceOf: Readonly<Record<AskedKind, "workflow" | "predicate" | "commit">> = {
  workflow: "workflow",
  type: "workflow",
  sink: "workflow",
  operation: "workflow",
  rule: "predicate",
  transaction: "commit",
  participant: "commit",
};

const call = { deadline: completionMsMax };
const page = { pageSize: namesMax };

const asked: Readonly<Record<AskedKind, (clients: Clients, prefix: string) => Promise<readonly string[]>>> = {
  workflow: async ({ workflows }, prefix) =>
    (await workflows.listWorkflows({ ...page, filter: beginningWith("workflow.id", prefix) }, call)).workflows.map(
      ({ workflowId }) => workflowId,
    ),
  type: async ({ workflows }) => {
    // Not of the whole system, which not everybody may ask for.
    const { groups } = await workflows.countWorkflows({ groupBy: ["type"] }, call);
    return groups.map(({ type }) => type).filter((type) => type !== "");
  },
  sink: async ({ workflows }) => (await workflows.listSinks(page, call)).sinks.map(({ name }) => name),
  operation: async ({ workflows }) =>
    (await workflows.listBulkOperations(page, call)).operations.map(({ bulkOperationId }) => bulkOperationId),
  rule: async ({ predicates }, prefix) =>
    (await predicates.listRules({ ...page, filter: beginningWith("rule.id", prefix) }, call)).rules.map(({ ruleId }) => ruleId),
  transaction: async ({ commits }, prefix) =>
    (await commits.listTransactions({ ...page, filter: beginningWith("transaction.id", prefix) }, call)).transactions.map(
      ({ transactionId }) => transactionId,
    ),
  participant: async ({ commits }) =>
    (await commits.listParticipants(page, call)).participants.map(({ participantId }) => participantId),
};

/** By comparisons, which indexes lead; ids have characters below `~` only. */
const beginningWith = (field: string, prefix: string): string =>
  /^[A-Za-z0-9._:-]+$/.test(prefix) ? `${field} >= "${prefix}" && ${field} < "${prefix}~"` : "";
