import type { DescMessage } from "@bufbuild/protobuf";
import { ServerCredentials } from "@grpc/grpc-js";
import { createServer, type Server } from "nice-grpc";
import { errorDetailsServerMiddleware } from "nice-grpc-error-details";
import { HealthDefinition, HealthServiceImpl, HealthState } from "nice-grpc-server-health";
import { messageBytesMax, streamCountPerConnectionMax } from "../kernel/limits.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Logger } from "../runtime/logger.ts";
import { contextMiddleware, deadlineInterceptor, type RpcContext } from "./context.ts";
import { registry } from "./descriptors.ts";
import { createReflection, reflectionDefinition } from "./reflection.ts";
import { transportRefusals } from "./transport-refusals.ts";
import { validatingDecoder } from "./validation.ts";

/** Adds a service to a server that is being built. */
export type RpcService = {
  /** The full name, as reflection and health know it. */
  readonly name: string;
  readonly addTo: (server: Server<RpcContext>) => void;
};

export interface RpcServer {
  /** Resolves to the port; give port 0 to have one chosen. */
  listen(address: string): Promise<number>;
  /** What `grpc.health.v1` says of a service; without a name, that all of them serve. */
  setServing(serviceName: string, serving: boolean): void;
  /**
   * Refuses new calls with SHUTTING_DOWN, lets those under way end, then closes; after `graceMs` it closes at once. Open streams
   * are the business of their services: end them first.
   */
  shutdown(graceMs: DurationMs): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: as nice-grpc and ts-proto type their generic definitions
type AnyMessage = any;

/** What ts-proto generates for a service (outputServices=generic-definitions). */
type ServiceDefinition = {
  readonly fullName: string;
  readonly methods: Readonly<
    Record<string, { readonly name: string; readonly requestType: { decode(bytes: AnyMessage): AnyMessage; $type?: string } }>
  >;
};

/** A generated service definition with request decoders that enforce the rules of the contract. */
export function withValidation<Definition extends ServiceDefinition>(definition: Definition): Definition {
  const methods = Object.fromEntries(
    Object.entries(definition.methods).map(([key, method]) => [
      key,
      {
        ...method,
        requestType: {
          ...method.requestType,
          decode: validatingDecoder(requestTypeOf(definition.fullName, method.name)),
        },
      },
    ]),
  );
  return { ...definition, methods };
}

function requestTypeOf(serviceFullName: string, methodName: string): DescMessage {
  const method = registry.getService(serviceFullName)?.methods.find(({ name }) => name === methodName);
  if (method === undefined) throw new Error(`no descriptor of ${serviceFullName}/${methodName}; run "make generate"`);
  return method.input;
}

export function createRpcServer(options: { readonly services: readonly RpcService[]; readonly logger: Logger }): RpcServer {
  let draining = false;
  const base = createServer({
    interceptors: [transportRefusals(options.logger), deadlineInterceptor],
    // Bookkeeping for a debugging service that is not served.
    "grpc.enable_channelz": 0,
    "grpc.max_concurrent_streams": streamCountPerConnectionMax,
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_send_message_length": messageBytesMax,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.max_connection_idle_ms": 30 * 60_000,
  });
  const server = base
    .use(errorDetailsServerMiddleware)
    .use(contextMiddleware({ logger: options.logger, draining: () => draining }));

  const health = HealthState();
  const serving = new Map<string, boolean>();
  function setServing(name: string, isServing: boolean): void {
    serving.set(name, isServing);
    health.setStatus(isServing ? "healthy" : "unhealthy", name);
    // Who asks without a name may want any of them.
    health.setStatus([...serving.values()].every(Boolean) ? "healthy" : "unhealthy");
  }
  for (const service of options.services) {
    service.addTo(server);
    setServing(service.name, true);
  }
  server.add(withValidation(HealthDefinition), HealthServiceImpl(health));
  const names = [...options.services.map(({ name }) => name), HealthDefinition.fullName];
  server.add(reflectionDefinition, createReflection(names));

  return {
    listen: (address) => server.listen(address, ServerCredentials.createInsecure()),
    setServing,
    shutdown: async (graceMs) => {
      draining = true;
      for (const { name } of options.services) setServing(name, false);
      let timer: NodeJS.Timeout | undefined;
      const expired = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([server.shutdown(), expired]);
      clearTimeout(timer);
      server.forceShutdown();
    },
  };
}
