import { type CallContext, ServerError, Status } from "nice-grpc-common";
import { pino } from "pino";
import { TwoPhaseCommitDefinition } from "../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowServiceDefinition } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { withPort } from "../../src/kernel/address.ts";
import type { RpcContext } from "../../src/rpc/context.ts";
import { createRpcServer, type RpcService } from "../../src/rpc/server.ts";
import type { Logger } from "../../src/runtime/logger.ts";

export type RecordedCall = { readonly method: string; readonly request: unknown; readonly context: CallContext & RpcContext };

/** A method of Concord's three services, by the name in nice-grpc's clients: what it does instead. */
export type Fakes = Readonly<Record<string, (context: CallContext & RpcContext, request: never) => unknown>>;

/** Concord's server around services that only note how they are called, and refuse. */
export async function startRecordingServer(
  fakes: Fakes = {},
  logger: Logger = pino({ level: "silent" }),
  options: Omit<Parameters<typeof createRpcServer>[0], "services" | "logger"> = {},
  listen = "127.0.0.1:0",
) {
  const calls: RecordedCall[] = [];
  const implementation: object = new Proxy(
    {},
    {
      get: (_, method: string) => (request: unknown, context: RecordedCall["context"]) => {
        calls.push({ method, request, context });
        return fakes[method]?.(context, request as never) ?? Promise.reject(new ServerError(Status.FAILED_PRECONDITION, "noted"));
      },
    },
  );
  const definitions = [WorkflowServiceDefinition, PredicateLogicDefinition, TwoPhaseCommitDefinition];
  const services = definitions.map(
    (definition): RpcService => ({
      name: definition.fullName,
      addTo: (server) => server.add(definition, implementation as never),
    }),
  );
  const server = createRpcServer({ ...options, services, logger });
  const address = withPort(listen, await server.listen(listen));
  return { calls, address, server };
}
