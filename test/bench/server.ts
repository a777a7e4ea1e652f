// The server under measurement, in its own process: Concord as it is, and beside it, behind the same middleware, an empty call (the
// limit of the stack) and a transition that a load generator can repeat with one constant body. Prints its ports, as JSON.
import { startConcord } from "../../src/compose.ts";
import { loadConfig } from "../../src/config.ts";
import {
  BatchMode,
  BatchTransitionWorkflowsRequest,
  BatchTransitionWorkflowsResponse,
} from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import {
  TransitionWorkflowRequest,
  TransitionWorkflowResponse,
  type WorkflowServiceImplementation,
} from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { RpcContext } from "../../src/rpc/context.ts";
import { messageType } from "../../src/rpc/descriptors.ts";
import { orEncoded } from "../../src/rpc/encoded-answer.ts";
import type { RpcService } from "../../src/rpc/server.ts";
import { validatingDecoder } from "../../src/rpc/validation.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { batchSize, benchService, poolSize, workflowName } from "./shape.ts";

const empty = { encode: () => ({ finish: () => new Uint8Array() }), decode: () => ({}), fromPartial: () => ({}) };

const decodeTransition = validatingDecoder(messageType("concord.workflow.v1.TransitionWorkflowRequest"));
let calls = 0;

const decodeBatch = validatingDecoder(messageType("concord.workflow.v1.BatchTransitionWorkflowsRequest"));
let batches = 0;

/** Of so many workflows, the next ones of the pool, each to and fro as below. */
function nextBatch(): unknown {
  const turns = Math.floor(poolSize / batchSize);
  const turn = Math.floor(batches / turns);
  const first = (batches % turns) * batchSize;
  const targetState = turn % 2 === 0 ? WorkflowState.PAUSED : WorkflowState.ACTIVE;
  const items = Array.from({ length: batchSize }, (_, index) => ({ workflowId: workflowName(first + index), targetState }));
  batches += 1;
  const request = { mode: BatchMode.ALL_OR_NOTHING, items, reason: "measured", requestedBy: "bench" };
  return decodeBatch(BatchTransitionWorkflowsRequest.encode(BatchTransitionWorkflowsRequest.fromPartial(request)).finish());
}

/** Workflows take turns, and each goes to and fro: a whole request is made, encoded, decoded and validated for each call. */
function nextTransition(): unknown {
  const turn = Math.floor(calls / poolSize);
  const request = {
    workflowId: workflowName(calls % poolSize),
    targetState: turn % 2 === 0 ? WorkflowState.PAUSED : WorkflowState.ACTIVE,
    reason: "measured",
    requestedBy: "bench",
  };
  calls += 1;
  return decodeTransition(TransitionWorkflowRequest.encode(TransitionWorkflowRequest.fromPartial(request)).finish());
}

function extraServices(workflow: WorkflowServiceImplementation<RpcContext> | undefined): readonly RpcService[] {
  if (workflow === undefined) throw new Error("the workflow service is not served");
  const method = (name: string, requestType: object, responseType: object) => ({
    name,
    requestType,
    requestStream: false,
    responseType,
    responseStream: false,
    options: {},
  });
  const definition = {
    name: "Bench",
    fullName: benchService,
    methods: {
      echo: method("Echo", empty, empty),
      batch: method(
        "Batch",
        { ...BatchTransitionWorkflowsRequest, decode: nextBatch },
        // The answer is encoded item by item already.
        orEncoded(BatchTransitionWorkflowsResponse),
      ),
      transition: method("Transition", { ...TransitionWorkflowRequest, decode: nextTransition }, TransitionWorkflowResponse),
    },
  };
  const implementation = {
    echo: async () => ({}),
    transition: workflow.transitionWorkflow,
    batch: workflow.batchTransitionWorkflows,
  };
  return [{ name: benchService, addTo: (server) => server.add(definition as never, implementation as never) }];
}

const [dataDir = "", logLevel = "warn"] = process.argv.slice(2);
const flags = { listen: "127.0.0.1:0", metricsListen: "127.0.0.1:0", dataDir, logLevel };
const loaded = loadConfig({ flags, environment: {}, file: undefined });
if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
const logger = createLogger({ level: loaded.value.config.logLevel, format: "json" });
const started = await startConcord({ config: loaded.value.config, logger }, extraServices);
if (!started.ok) throw new Error(started.error.message);
console.log(JSON.stringify({ port: started.value.port, metricsPort: started.value.metricsPort }));
process.once("SIGTERM", async () => {
  await started.value.stop();
  process.exit(0);
});
