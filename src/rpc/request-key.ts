import { createHash, hash } from "node:crypto";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { assert } from "../kernel/assert.ts";
import type { RequestId } from "../kernel/ids.ts";
import { sorted } from "../kernel/json.ts";
import { nobody, type Principal } from "../kernel/principal.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { registry } from "./descriptors.ts";

/** The key of a request of this type, such as `concord.workflow.v1.CreateWorkflowRequest`. Nothing if it has no id. */
export function requestKey(
  typeName: string,
  request: { readonly requestId: string },
  { principal }: { readonly principal: Principal },
): RequestKey | undefined {
  if (request.requestId === "") return undefined;
  return { id: request.requestId as RequestId, digest: requestDigest(typeName, request, principal) };
}

/**
 * SHA-256, base64url, of what is asked; the type keeps one id from serving two methods. Made from the decoded message by field number,
 * not from its bytes: an honest retry may encode the entries of a map in another order. Fields that are not set are left out, so that a
 * field which the contract gains changes no digest. How long the caller waits is not what it asks for: no Duration of the request itself
 * counts. One within a part of it does: it says how long something shall take. Who asks does count, as far as it is proved: the answer that a
 * principal has had is nobody else's. Without a proof the digest is that of the request alone.
 */
export function requestDigest(typeName: string, request: object, { name }: Principal = nobody): string {
  const descriptor = registry.getMessage(typeName);
  assert(descriptor !== undefined, `a descriptor of ${typeName}`);
  const asked = JSON.stringify(fieldsOf(descriptor, request, isWaitingTime));
  const digest = createHash("sha256").update(typeName).update(asked);
  // No JSON ends like this.
  if (name !== "") digest.update(`\n${name}`);
  return digest.digest("base64url");
}

const isWaitingTime = (field: DescField): boolean => field.message?.typeName === "google.protobuf.Duration";

/** JavaScript orders keys that are numbers by themselves. */
function fieldsOf({ fields }: DescMessage, message: object, isLeftOut = (_: DescField): boolean => false): object {
  const set: Record<number, unknown> = {};
  for (const field of fields) {
    assert(field.fieldKind !== "map", "a mutation has no maps but those in a Struct");
    const value = fieldValue(field, message as Readonly<Record<string, unknown>>);
    if (isLeftOut(field) || isUnset(field, value)) continue;
    set[field.number] = Array.isArray(value) ? value.map((item) => canonical(field, item)) : canonical(field, value);
  }
  return set;
}

/** Of a oneof, ts-proto tells which field is set, and its value. */
function fieldValue({ localName, oneof }: DescField, message: Readonly<Record<string, unknown>>): unknown {
  if (oneof === undefined) return message[localName];
  const group = message[oneof.localName] as { readonly $case: string; readonly value: unknown } | undefined;
  return group?.$case === localName ? group.value : undefined;
}

/** proto3: `optional int64 x = 0` is set, `int64 x = 0` is not. */
function isUnset(field: DescField, value: unknown): boolean {
  if (value === undefined) return true;
  if (field.fieldKind === "list") return Array.isArray(value) && value.length === 0;
  if (field.presence !== implicitPresence) return false;
  if (value instanceof Uint8Array) return value.length === 0;
  return field.enum === undefined ? !value : value === field.enum.values[0]?.name;
}

/** FeatureSet.FieldPresence.IMPLICIT. */
const implicitPresence = 2;

function canonical(field: DescField, value: unknown): unknown {
  if (value instanceof Uint8Array) return bytesText(value);
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (field.message === undefined) return value;
  return field.message.typeName === "google.protobuf.Struct" ? sorted(value) : fieldsOf(field.message, value as object);
}

/** Large bytes by a digest of their own: of all payloads together three copies would be made. The text of small ones has no dot. */
const bytesText = (bytes: Uint8Array): string =>
  bytes.length <= wholeBytesMax ? Buffer.from(bytes).toString("base64url") : `.${hash("sha256", bytes, "base64url")}`;

/** Bytes that are cheaper to copy than to hash by themselves. */
const wholeBytesMax = 4_096;
