import type { ServiceImplementation } from "nice-grpc";
import { ServerReflection, ServerReflectionService } from "nice-grpc-server-reflection";
import { descriptorSet } from "./descriptors.ts";
import { reflectionBytesMax } from "./limits.ts";
import { InvalidMessage } from "./validation.ts";

const info = ServerReflectionService.serverReflectionInfo;

type Request = ReturnType<typeof info.requestDeserialize>;

/** Of both, the messages are the same. grpcurl asks for v1 first; ghz, grpcui and Python's client know only v1alpha. */
export const reflectionNames = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"] as const;

/** As the library has it, but for its decoder, which throws, and for its name. */
export const reflectionDefinition = (name: string): typeof ServerReflectionService => ({
  ...ServerReflectionService,
  serverReflectionInfo: {
    ...info,
    path: `/${name}/ServerReflectionInfo` as typeof info.path,
    requestDeserialize: (bytes) => decode(name, bytes) as Request,
  },
});

function decode(name: string, bytes: Buffer): Request | InvalidMessage {
  if (bytes.length > reflectionBytesMax)
    return new InvalidMessage([{ field: "", description: `the message must have no more than ${reflectionBytesMax} bytes` }]);
  try {
    return info.requestDeserialize(bytes);
  } catch {
    return new InvalidMessage([{ field: "", description: `not a well-formed ${name}Request` }]);
  }
}

/** Tells what the named services are. */
export function createReflection(serviceNames: readonly string[]): ServiceImplementation<typeof ServerReflectionService> {
  const reflection = ServerReflection(descriptorSet, serviceNames);
  return {
    serverReflectionInfo: (requests, context) =>
      reflection.serverReflectionInfo(wellFormed(untilAborted(requests, context.signal)), context),
  };
}

async function* wellFormed(requests: AsyncIterable<Request | InvalidMessage>): AsyncGenerator<Request> {
  for await (const request of requests) {
    if (request instanceof InvalidMessage) throw request.failure;
    yield request;
  }
}

/** Throws the signal's reason as soon as it aborts, also while a message is awaited: the library's stream ends with its client only. */
async function* untilAborted<Message>(messages: AsyncIterable<Message>, signal: AbortSignal): AsyncGenerator<Message> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort);
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
