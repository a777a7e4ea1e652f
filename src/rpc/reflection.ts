import type { ServiceImplementation } from "nice-grpc";
import { ServerReflection, ServerReflectionService } from "nice-grpc-server-reflection";
import { descriptorSet } from "./descriptors.ts";
import { invalidRequest } from "./errors.ts";
import { InvalidMessage } from "./validation.ts";

const info = ServerReflectionService.serverReflectionInfo;

type Request = ReturnType<typeof info.requestDeserialize>;

/** As the library has it, but for its decoder, which throws. */
export const reflectionDefinition: typeof ServerReflectionService = {
  ...ServerReflectionService,
  serverReflectionInfo: { ...info, requestDeserialize: (bytes) => decode(bytes) as Request },
};

function decode(bytes: Buffer): Request | InvalidMessage {
  try {
    return info.requestDeserialize(bytes);
  } catch {
    return new InvalidMessage([{ field: "", description: "not a well-formed grpc.reflection.v1.ServerReflectionRequest" }]);
  }
}

/** Tells what the named services are. */
export function createReflection(serviceNames: readonly string[]): ServiceImplementation<typeof ServerReflectionService> {
  const reflection = ServerReflection(descriptorSet, serviceNames);
  return { serverReflectionInfo: (requests, context) => reflection.serverReflectionInfo(wellFormed(requests), context) };
}

async function* wellFormed(requests: AsyncIterable<Request | InvalidMessage>): AsyncGenerator<Request> {
  for await (const request of requests) {
    if (request instanceof InvalidMessage) throw invalidRequest(request.violations);
    yield request;
  }
}
