import { readFileSync } from "node:fs";
import { create, createFileRegistry, type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** As `FileDescriptorProto` has it: the comments, and where each thing stands. */
const sourceCodeInfoField = 9;

const files = filesOf(readFileSync(new URL("../gen/descriptors.binpb", import.meta.url)));
const protos = files.map((file) => fromBinary(FileDescriptorProtoSchema, withoutComments(file)));

/** The compiled contract, file by file, comments included: what reflection serves. */
export const descriptorFiles: ReadonlyMap<string, Uint8Array> = new Map(
  protos.map(({ name }, index) => [name, files[index] as Uint8Array]),
);

/** What requests are validated against, and read by. Without the comments: as objects they take several times as much as all else together. */
export const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: protos }));

function filesOf(descriptorSet: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(descriptorSet);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    // A set has one field, and it repeats: its files.
    reader.tag();
    found.push(reader.bytes());
  }
  return found;
}

function withoutComments(file: Uint8Array): Uint8Array {
  const reader = new BinaryReader(file);
  const kept = new BinaryWriter();
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wireType] = reader.tag();
    reader.skip(wireType, field);
    if (field !== sourceCodeInfoField) kept.raw(file.subarray(start, reader.pos));
  }
  return kept.finish();
}

export function messageType(typeName: string): DescMessage {
  const descriptor = registry.getMessage(typeName);
  if (descriptor === undefined) throw new Error(`no descriptor of ${typeName}; run "make generate"`);
  return descriptor;
}
