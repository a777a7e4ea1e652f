import type { DescFile } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type MethodDefinition, status as Status } from "@grpc/grpc-js";
import type { CallContext } from "nice-grpc";
import { descriptorFiles, registry } from "./descriptors.ts";
import { reflectionBytesMax } from "./limits.ts";
import { untilAborted } from "./until-aborted.ts";
import { InvalidMessage } from "./validation.ts";

/** Of both, the messages are the same. grpcurl asks for v1 first; ghz, grpcui and Python's client know only v1alpha. */
export const reflectionNames = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"] as const;

/** The numbers of the fields in ServerReflectionRequest. Whichever comes last is what is asked. */
const asks = {
  3: "file-by-name",
  4: "file-by-symbol",
  5: "file-by-extension",
  6: "extension-numbers",
  7: "services",
} as const;

type Asked = (typeof asks)[keyof typeof asks];

type Request = {
  /** As it came: an answer repeats it. */
  readonly bytes: Uint8Array;
  readonly asked: Asked | undefined;
  /** Of a file, a symbol, or the type that is extended. */
  readonly name: string;
  /** Of the extension. */
  readonly number: number;
};

/** In ServerReflectionResponse. */
const answerFields = { request: 2, files: 4, extensionNumbers: 5, services: 6, failure: 7 } as const;

type Stream = MethodDefinition<Request | InvalidMessage, Uint8Array> & { requestStream: true; responseStream: true };

export const reflectionDefinition = (name: string): { readonly serverReflectionInfo: Stream } => ({
  serverReflectionInfo: {
    path: `/${name}/ServerReflectionInfo`,
    requestStream: true,
    responseStream: true,
    requestSerialize: notSent,
    requestDeserialize: (bytes) => decode(name, bytes),
    responseSerialize: (answer) => Buffer.from(answer.buffer, answer.byteOffset, answer.length),
    responseDeserialize: notSent,
  },
});

/** What clients do, of which there are none here. */
const notSent = (): never => {
  throw new Error("reflection is only served here");
};

function decode(name: string, bytes: Buffer): Request | InvalidMessage {
  if (bytes.length > reflectionBytesMax)
    return new InvalidMessage([{ field: "", description: `the message must have no more than ${reflectionBytesMax} bytes` }]);
  try {
    return readRequest(bytes);
  } catch {
    return new InvalidMessage([{ field: "", description: `not a well-formed ${name}Request` }]);
  }
}

function readRequest(bytes: Uint8Array): Request {
  const reader = new BinaryReader(bytes);
  let request: Request = { bytes, asked: undefined, name: "", number: 0 };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const asked = wireType === WireType.LengthDelimited ? asks[field as keyof typeof asks] : undefined;
    if (asked === undefined) reader.skip(wireType, field);
    else if (asked === "file-by-extension") request = { bytes, asked, ...readExtension(reader.bytes()) };
    else request = { bytes, asked, name: reader.string(), number: 0 };
  }
  return request;
}

function readExtension(bytes: Uint8Array): { readonly name: string; readonly number: number } {
  const reader = new BinaryReader(bytes);
  const extension = { name: "", number: 0 };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) extension.name = reader.string();
    else if (field === 2 && wireType === WireType.Varint) extension.number = reader.int32();
    else reader.skip(wireType, field);
  }
  return extension;
}

/** Tells what the named services are. Files are served byte for byte, one at a time: a client asks for those that a file needs. */
export function createReflection(serviceNames: readonly string[]) {
  function answer(request: Request): Uint8Array {
    const writer = new BinaryWriter();
    bytesField(writer, answerFields.request, request.bytes);
    const fail = (code: number, why: string) =>
      nested(writer, answerFields.failure, () => {
        writer.tag(1, WireType.Varint).int32(code);
        writer.tag(2, WireType.LengthDelimited).string(why);
      });
    const tellFile = (name: string | undefined) => {
      const file = name === undefined ? undefined : descriptorFiles.get(name);
      if (file === undefined) fail(Status.NOT_FOUND, "not found");
      else nested(writer, answerFields.files, () => bytesField(writer, 1, file));
    };
    switch (request.asked) {
      case "services":
        nested(writer, answerFields.services, () => {
          for (const name of serviceNames) nested(writer, 1, () => void writer.tag(1, WireType.LengthDelimited).string(name));
        });
        break;
      case "file-by-name":
        tellFile(request.name);
        break;
      case "file-by-symbol":
        tellFile(fileOfSymbol(request.name));
        break;
      case "file-by-extension":
        tellFile(fileOfExtension(request));
        break;
      case "extension-numbers":
        if (registry.getMessage(request.name) === undefined) fail(Status.NOT_FOUND, "not found");
        else
          nested(writer, answerFields.extensionNumbers, () => {
            writer.tag(1, WireType.LengthDelimited).string(request.name);
            for (const number of extensionNumbers(request.name)) writer.tag(2, WireType.Varint).int32(number);
          });
        break;
      case undefined:
        fail(Status.UNIMPLEMENTED, "nothing is asked that is known here");
    }
    return writer.finish();
  }

  return {
    async *serverReflectionInfo(requests: AsyncIterable<Request | InvalidMessage>, { signal }: CallContext) {
      for await (const request of untilAborted(requests, signal)) {
        if (request instanceof InvalidMessage) throw request.failure;
        yield answer(request);
      }
    },
  };
}

const bytesField = (writer: BinaryWriter, field: number, bytes: Uint8Array): void =>
  void writer.tag(field, WireType.LengthDelimited).bytes(bytes);

function nested(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

/** Of whatever has a name in the contract: a type, a service, an extension, or what is named within one. */
function fileOfSymbol(symbol: string): string | undefined {
  const name = symbol.replace(/^\./, "");
  const dot = name.lastIndexOf(".");
  const found = registry.get(name) ?? ownerOf(name.slice(0, Math.max(dot, 0)), name.slice(dot + 1));
  return found && protoName(found.file);
}

/** Of a method, a field, or a oneof; or of a value of an enum, whose name stands beside that of the enum. */
function ownerOf(scope: string, name: string): { readonly file: DescFile } | undefined {
  const within = registry.get(scope);
  const isNamed = (each: { readonly name: string }): boolean => each.name === name;
  if (within?.kind === "service" && within.methods.some(isNamed)) return within;
  if (within?.kind === "message" && (within.fields.some(isNamed) || within.oneofs.some(isNamed))) return within;
  for (const each of registry) {
    if (each.kind === "enum" && scopeOf(each) === scope && each.values.some(isNamed)) return each;
  }
  return undefined;
}

const scopeOf = ({ typeName }: { readonly typeName: string }): string =>
  typeName.slice(0, Math.max(typeName.lastIndexOf("."), 0));

function fileOfExtension({ name, number }: Request): string | undefined {
  const extended = registry.getMessage(name);
  const extension = extended && registry.getExtensionFor(extended, number);
  return extension && protoName(extension.file);
}

const extensionNumbers = (typeName: string): readonly number[] =>
  [...registry].flatMap((each) => (each.kind === "extension" && each.extendee.typeName === typeName ? [each.number] : []));

/** The library's own name of a file has no ending. */
const protoName = ({ proto }: { readonly proto: { readonly name: string } }): string => proto.name;
