import { readFileSync } from "node:fs";
import { create, createFileRegistry, type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** As `FileDescriptorProto` has it: the comments, and where each thing stands. */
const sourceCodeInfoField = 9;

/** The compiled contract, file by file, comments included: what reflection serves. */
export const descriptorFiles: ReadonlyMap<string, Uint8Array> = new Map();

/** What requests are validated against, and read by. Without the comments: as objects they take several times as much as all else together. */
export const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: readFiles() }));

function readFiles(): FileDescriptorProto[] {
  const files = descriptorFiles as Map<string, Uint8Array>;
  const set = new BinaryReader(readFileSync(new URL("../gen/descriptors.binpb", import.meta.url)));
  const read: FileDescriptorProto[] = [];
  while (set.pos < set.len) {
    // A set has one field, and it repeats: its files.
    set.tag();
    const bytes = set.bytes();
    const file = fromBinary(FileDescriptorProtoSchema, withoutComments(bytes));
    files.set(file.name, bytes);
    read.push(file);
  }
  return read;
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
