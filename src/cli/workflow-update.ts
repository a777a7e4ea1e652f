import { Command, InvalidArgumentError } from "commander";
import type { Json, JsonObject } from "../kernel/json.ts";
import { collect, integerArgument, jsonArgument } from "./arguments.ts";
import { addClientOptions, addMutationOptions, type ClientOptions, type Mutation, withChange } from "./client.ts";
import { UsageError } from "./failure.ts";
import { readText } from "./rule/fields.ts";
import { printWarnings, printWorkflow } from "./workflow-text.ts";

type Options = ClientOptions &
  Mutation & {
    readonly set?: readonly JsonObject[];
    readonly remove?: readonly string[];
    readonly patch?: string;
    readonly expectedVersion?: number;
    readonly context?: JsonObject;
    readonly eventMetadata?: JsonObject;
  };

export function updateCommand(): Command {
  const command = new Command("update")
    .description("change the metadata of a workflow, where it is: a new version, and an event")
    .argument("<id>")
    .option("--set <key=json>", `set a key, such as approved=true or 'by="ada"'; may be repeated`, collect(setArgument))
    .option("--remove <key>", "remove a key; may be repeated", collect(String))
    .option("--patch <file>", "apply the JSON merge patch (RFC 7396) in this file before")
    .option("--expected-version <n>", "change it only if it is at this version", integerArgument(1, Number.MAX_SAFE_INTEGER))
    .option("--context <json>", "a JSON object for the rules to look at", jsonArgument)
    .option("--event-metadata <json>", "a JSON object to keep in the event", jsonArgument);
  return addClientOptions(addMutationOptions(command, "updated by hand")).action((workflowId: string, options: Options) =>
    withChange(options, [`concord workflow get ${workflowId}`], async ({ workflows }, { requestId, call }) => {
      const request = {
        workflowId,
        metadataPatch: patchOf(options),
        expectedVersion: options.expectedVersion === undefined ? undefined : BigInt(options.expectedVersion),
        reason: options.reason,
        requestedBy: options.by,
        context: options.context,
        eventMetadata: options.eventMetadata,
        requestId,
      };
      const { workflow, event } = await workflows.updateWorkflowMetadata(request, call);
      printWorkflow(options.output, workflow);
      printWarnings(event);
    }),
  );
}

/** What comes last counts, but to set and to remove the same key is a mistake: nobody can tell which of them is meant. */
export function patchOf({ set = [], remove = [], patch }: Pick<Options, "set" | "remove" | "patch">): JsonObject {
  if (set.length + remove.length === 0 && patch === undefined) throw new UsageError("give --set, --remove or --patch");
  const both = set.flatMap(Object.keys).find((key) => remove.includes(key));
  if (both !== undefined)
    throw new UsageError(`${JSON.stringify(both)} is given to --set and to --remove; give it to one of them`);
  const file = patch === undefined ? {} : readPatch(patch);
  const keys = [...set.flatMap(Object.entries), ...remove.map((key) => [key, null] as const)] as readonly (readonly [
    string,
    Json,
  ])[];
  return Object.fromEntries([...Object.entries(file), ...keys]);
}

function readPatch(file: string): JsonObject {
  try {
    return jsonArgument(readText(file));
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw new UsageError(`${file}: ${error.message}`);
    throw error;
  }
}

function setArgument(text: string): JsonObject {
  const [, key, json] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  try {
    if (key !== undefined && json !== undefined) return { [key]: JSON.parse(json) as Json };
  } catch {
    // Said below, for people.
  }
  throw new InvalidArgumentError(`It must be a key, = and JSON, such as approved=true, count=3 or 'note="text"'.`);
}
