import { readFileSync } from "node:fs";
import { fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { Command } from "commander";
import type { Enlistment } from "../gen/concord/commit/v1/transaction.ts";
import { BatchMode, BatchTransition, BatchTransitionResult } from "../gen/concord/workflow/v1/batch.ts";
import { workflowStates } from "../kernel/lifecycle.ts";
import { messageType } from "../rpc/descriptors.ts";
import { durationToWire } from "../rpc/duration.ts";
import { jsonProblems } from "../rpc/json-problems.ts";
import { collect, durationArgument } from "./arguments.ts";
import { addClientOptions, addMutationOptions, type ClientOptions, type Mutation, withChange } from "./client.ts";
import { CommandError, UsageError } from "./failure.ts";
import { enumText, jsonText, print, tableLines } from "./output.ts";
import { enlistArgument } from "./workflow-text.ts";

type Options = ClientOptions &
  Mutation & { readonly allOrNothing?: true; readonly enlist?: readonly Enlistment[]; readonly wait?: number };

export function batchCommand(): Command {
  const command = new Command("batch")
    .description("make many moves in one call; exits with 1 if one is refused")
    .argument("<file>", "one move a line, as JSON; - for standard input")
    .option("--all-or-nothing", "make all of them, in one write, or none")
    .option("--enlist <participant=payload>", "with --all-or-nothing: commit together with this work", collect(enlistArgument))
    .option("--wait <duration>", "with --enlist: wait this long for participants that are not connected", durationArgument)
    .addHelpText(
      "after",
      `
Each line has workflow_id and target_state, and may have expected_version, reason, context and event_metadata:
  {"workflow_id": "wf-17", "target_state": "COMPLETED", "expected_version": 2}`,
    );
  return addClientOptions(addMutationOptions(command, "moved by hand")).action((file: string, options: Options) =>
    withChange(options, ["concord workflow events"], async ({ workflows }, { requestId, call }) => {
      const { applied, results } = await workflows.batchTransitionWorkflows(
        {
          mode: options.allOrNothing ? BatchMode.ALL_OR_NOTHING : BatchMode.INDEPENDENT,
          items: itemsOf(file),
          reason: options.reason,
          requestedBy: options.by,
          requestId,
          enlist: options.enlist ?? [],
          waitForParticipants: options.wait === undefined ? undefined : durationToWire(options.wait),
        },
        call,
      );
      if (!applied) process.exitCode = 1;
      if (options.output !== "table") {
        for (const result of results) print(jsonText("concord.workflow.v1.BatchTransitionResult", BatchTransitionResult, result));
      } else print(tableLines(["workflow", "result", "version", "sequence", "why not"], results.map(resultRow)));
    }),
  );
}

const standardInput = 0;

function itemsOf(file: string): readonly BatchTransition[] {
  const lines = textOf(file).split("\n");
  const name = file === "-" ? "standard input" : file;
  const items = lines.flatMap((line, index) => (line.trim() === "" ? [] : itemOf(line, `${name}:${index + 1}`)));
  if (items.length === 0) throw new UsageError(`${name} has no line with a move`);
  return items;
}

function textOf(file: string): string {
  try {
    return readFileSync(file === "-" ? standardInput : file, "utf8");
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function itemOf(line: string, place: string): BatchTransition {
  const descriptor = messageType("concord.workflow.v1.BatchTransition");
  const json = withLongState(jsonOf(line, place));
  const [first] = jsonProblems(descriptor, json);
  if (first !== undefined) throw new UsageError(`${place}: ${first.field === "" ? "" : `${first.field}: `}${first.description}`);
  return BatchTransition.decode(toBinary(descriptor, fromJson(descriptor, json)));
}

function jsonOf(line: string, place: string): JsonValue {
  try {
    return JSON.parse(line) as JsonValue;
  } catch (error) {
    throw new UsageError(`${place}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** People write states as they are shown to them. */
function withLongState(json: JsonValue): JsonValue {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  const named = workflowStates.find((state) => state === json["target_state"] || state === json["targetState"]);
  if (named === undefined) return json;
  const { target_state: _, targetState: __, ...rest } = json;
  return { ...rest, targetState: `WORKFLOW_STATE_${named}` };
}

function resultRow({ workflowId, result }: BatchTransitionResult): string[] {
  if (result?.$case !== "moved") return [workflowId, result?.value.reason ?? "-", "-", "-", result?.value.message ?? ""];
  const { toState, version, sequence } = result.value;
  return [workflowId, enumText("WORKFLOW_STATE_", toState), String(version), String(sequence), ""];
}
