import { readFileSync } from "node:fs";
import { createFileRegistry, type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** The compiled contract, comments included: what reflection serves and what requests are validated against. */
export const descriptorSet: Uint8Array = readFileSync(new URL("../gen/descriptors.binpb", import.meta.url));

export const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));

export function messageType(typeName: string): DescMessage {
  const descriptor = registry.getMessage(typeName);
  if (descriptor === undefined) throw new Error(`no descriptor of ${typeName}; run "make generate"`);
  return descriptor;
}
