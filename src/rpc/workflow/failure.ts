import type { RichServerError } from "nice-grpc-error-details";
import type { DeepPartial, Failure } from "../../gen/concord/error/v1/error.ts";
import { assert } from "../../kernel/assert.ts";

/** What a failed call would carry, as a part of an answer. */
export function failureToWire({ code, details: message, extra }: RichServerError): DeepPartial<Failure> {
  const info = extra.find(({ $type }) => $type === "google.rpc.ErrorInfo");
  assert(info?.$type === "google.rpc.ErrorInfo", "every failure has a reason");
  return { code, message, reason: info.reason, metadata: info.metadata };
}
