import { join } from "node:path";
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition, type MethodDefinition } from "@grpc/proto-loader";

// A client as any other language has it: made from the .proto files at run time, without Concord's generated stubs.

const definition = loadSync(
  [
    "concord/workflow/v1/workflow_service.proto",
    "concord/predicate/v1/predicate_logic.proto",
    "concord/commit/v1/two_phase_commit.proto",
    "concord/server/v1/server_status.proto",
    "grpc/health/v1/health.proto",
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
  ],
  {
    includeDirs: [join(import.meta.dirname, "../../proto")],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  },
);

const packages = {
  WorkflowService: "concord.workflow.v1",
  PredicateLogic: "concord.predicate.v1",
  TwoPhaseCommit: "concord.commit.v1",
  ServerStatus: "concord.server.v1",
  Health: "grpc.health.v1",
} as const;

export type Service = keyof typeof packages;
/** `WorkflowService/GetWorkflow` */
export type RpcName = `${Service}/${string}`;

/** The services of Concord by their short and their full names. */
export const concordServices = (["WorkflowService", "PredicateLogic", "TwoPhaseCommit", "ServerStatus"] as const).map(
  (service) => ({
    service,
    fullName: `${packages[service]}.${service}`,
  }),
);

// biome-ignore lint/suspicious/noExplicitAny: what proto-loader knows at run time only
export type Message = any;

type Method = MethodDefinition<Message, Message>;

export function methodOf(rpc: RpcName): Method {
  const [service = "", name = ""] = rpc.split("/");
  const methods = definition[`${packages[service as Service]}.${service}`] as Readonly<Record<string, Method>> | undefined;
  const method = methods?.[name];
  if (method === undefined) throw new Error(`no such RPC: ${rpc}`);
  return method;
}

/** Every RPC of Concord's three services, as the .proto files have them. */
export function everyRpc(): readonly RpcName[] {
  return concordServices.flatMap(({ service, fullName }) =>
    Object.keys(definition[fullName] ?? {}).map((name): RpcName => `${service}/${name}`),
  );
}

/** A failed call, as its caller can read it with nothing but the vendored google/rpc protos. */
export type Failure = {
  readonly code: string;
  readonly message: string;
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly fields: readonly string[];
  readonly preconditions: readonly { readonly type: string; readonly subject: string; readonly description: string }[];
  readonly retryAfterMs: number | undefined;
};

function decode(type: string, bytes: Buffer): Message {
  return (definition[type] as MessageTypeDefinition<Message, Message>).deserialize(bytes);
}

export function failureFrom(error: ServiceError): Failure {
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  const details = new Map<string, Message>();
  if (encoded instanceof Buffer) {
    for (const { type_url, value } of decode("google.rpc.Status", encoded).details) {
      const type = type_url.slice(type_url.lastIndexOf("/") + 1);
      details.set(type, decode(type, value));
    }
  }
  const info = details.get("google.rpc.ErrorInfo");
  if (info !== undefined && info.domain !== "concord") throw new Error(`unknown error domain ${info.domain}`);
  const delay = details.get("google.rpc.RetryInfo")?.retry_delay;
  return {
    code: status[error.code] ?? String(error.code),
    message: error.details,
    reason: info?.reason,
    metadata: info?.metadata ?? {},
    fields: (details.get("google.rpc.BadRequest")?.field_violations ?? []).map(({ field }: Message) => field),
    preconditions: details.get("google.rpc.PreconditionFailure")?.violations ?? [],
    retryAfterMs: delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6,
  };
}

/** Messages of a stream, one by one. */
export type Incoming = {
  /** The next message. Throws if the stream has ended. */
  next(): Promise<Message>;
  /** How the stream ended, after all its messages. Nothing: with OK. */
  end(): Promise<Failure | undefined>;
  cancel(): void;
};

export type ProtoClient = ReturnType<typeof createProtoClient>;

export function createProtoClient(address: string) {
  const client = new GrpcClient(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  const deadline = () => ({ deadline: Date.now() + 60_000 });
  const asBytes = (bytes: Buffer) => bytes;

  function unary<Answer = Message>(
    rpc: RpcName,
    serialize: (request: Message) => Buffer,
    request: Message,
    deserialize: (bytes: Buffer) => Answer = methodOf(rpc).responseDeserialize,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { path } = methodOf(rpc);
      client.makeUnaryRequest(path, serialize, deserialize, request, new Metadata(), deadline(), (error, response) =>
        error === null ? resolve(response as Answer) : reject(error),
      );
    });
  }

  function serverStream(rpc: RpcName, serialize: (request: Message) => Buffer, request: Message): Incoming {
    const { path, responseDeserialize } = methodOf(rpc);
    return incoming(client.makeServerStreamRequest(path, serialize, responseDeserialize, request, deadline()));
  }

  const fails = async (call: Promise<Message>): Promise<Failure> => {
    try {
      const answer = await call;
      throw new Error(`the call succeeded: ${JSON.stringify(answer)}`);
    } catch (error) {
      if (error instanceof Error && "metadata" in error) return failureFrom(error as ServiceError);
      throw error;
    }
  };

  return {
    call: (rpc: RpcName, request: Message) => unary(rpc, methodOf(rpc).requestSerialize, request),
    /** The answer as it comes. */
    bytes: (rpc: RpcName, request: Message) => unary<Buffer>(rpc, methodOf(rpc).requestSerialize, request, asBytes),
    /** The failure of a call that must fail. */
    failure: (rpc: RpcName, request: Message) => fails(unary(rpc, methodOf(rpc).requestSerialize, request)),
    stream: (rpc: RpcName, request: Message) => serverStream(rpc, methodOf(rpc).requestSerialize, request),
    /** For requests that no proper client could make. */
    failureOfBytes: async (rpc: RpcName, request: Uint8Array): Promise<Failure | undefined> =>
      methodOf(rpc).responseStream
        ? await serverStream(rpc, asBytes, Buffer.from(request)).end()
        : await fails(unary(rpc, asBytes, Buffer.from(request))),
    /** A stream whose both sides speak. Messages go out as they are given, or as bytes. */
    converse(rpc: RpcName) {
      const { path, responseDeserialize, requestSerialize } = methodOf(rpc);
      const serialize = (message: Message) => (message instanceof Buffer ? message : requestSerialize(message));
      const call: ClientDuplexStream<Message, Message> = client.makeBidiStreamRequest(path, serialize, responseDeserialize);
      return { ...incoming(call), send: (message: Message) => void call.write(message), endSending: () => void call.end() };
    },
    close: () => client.close(),
  };
}

function incoming(call: ClientReadableStream<Message> | ClientDuplexStream<Message, Message>): Incoming {
  const messages: Message[] = [];
  let ended = false;
  let failure: Failure | undefined;
  let wake = (): void => {};
  call.on("data", (message: Message) => {
    messages.push(message);
    wake();
  });
  call.on("error", (error: ServiceError) => {
    failure = failureFrom(error);
    ended = true;
    wake();
  });
  call.on("end", () => {
    ended = true;
    wake();
  });
  const change = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  return {
    async next() {
      while (messages.length === 0 && !ended) await change();
      if (messages.length === 0) throw new Error(`the stream has ended: ${JSON.stringify(failure)}`);
      return messages.shift();
    },
    async end() {
      while (!ended) await change();
      // The status comes with "error", which may follow "end".
      await new Promise((resolve) => setImmediate(resolve));
      return failure;
    },
    cancel: () => call.cancel(),
  };
}

/** A JSON object as a google.protobuf.Struct. Keys are encoded in the order in which they stand here. */
export function struct(json: Readonly<Record<string, unknown>>): Message {
  return { fields: Object.fromEntries(Object.entries(json).map(([key, value]) => [key, toValue(value)])) };
}

/** protobufjs brings its own google/protobuf/struct.proto, whose names are in camel case. */
function toValue(json: unknown): Message {
  if (Array.isArray(json)) return { listValue: { values: json.map(toValue) } };
  if (typeof json === "object")
    return json === null ? { nullValue: 0 } : { structValue: struct(json as Record<string, unknown>) };
  if (typeof json === "boolean") return { boolValue: json };
  return typeof json === "number" ? { numberValue: json } : { stringValue: json };
}
