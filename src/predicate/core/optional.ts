import { type CelValue, objectType } from "@bufbuild/cel";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { assert } from "../../kernel/assert.ts";

/** The library has no optional values. A message without fields is one of its values, and has a type with a name. */
const files = create(FileDescriptorSetSchema, {
  file: [{ name: "optional.proto", syntax: "proto3", messageType: [{ name: "optional_type" }] }],
});

export const optionalRegistry = createFileRegistry(files);

const schema = optionalRegistry.getMessage("optional_type");
assert(schema !== undefined, "the file declares it");
const optionalSchema = schema;

export const optionalType = objectType(optionalSchema);

const held = new WeakMap<ReflectMessage, CelValue>();

export function optionalOf(value: CelValue): ReflectMessage {
  const optional = reflect(optionalSchema);
  held.set(optional, value);
  return optional;
}

export const none: ReflectMessage = reflect(optionalSchema);

export function isOptional(value: CelValue | undefined): value is ReflectMessage {
  return isReflectMessage(value, optionalSchema);
}

/** Undefined: it holds nothing. */
export function heldBy(value: CelValue | undefined): CelValue | undefined {
  return held.get(value as ReflectMessage);
}
