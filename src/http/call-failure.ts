import type { IncomingHttpHeaders } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Status } from "nice-grpc-common";
import type { RichServerError } from "nice-grpc-error-details";
import { messageType, registry } from "../rpc/descriptors.ts";
import type { ClientFailure } from "../rpc/errors.ts";
import { toldMessage } from "../rpc/told-status.ts";

/** A failed call, as its trailers tell it. */
export type CallFailure = ClientFailure & { readonly requestId?: string };

/** Undefined: the call did not fail, or it is not known yet. */
export function failureOf(trailers: IncomingHttpHeaders): CallFailure | undefined {
  const code = trailers["grpc-status"];
  if (code === undefined || Number(code) === Status.OK) return undefined;
  const requestId = trailers["x-request-id"];
  return {
    code: Number(code),
    message: toldMessage(trailers),
    ...detailsOf(trailers["grpc-status-details-bin"]),
    ...(typeof requestId === "string" && { requestId }),
  };
}

type Details = Omit<ClientFailure, "code" | "message">;

/** All that the details may have. */
type Unpacked = {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly fieldViolations: Details["fields"];
  readonly violations: Details["preconditions"];
  readonly retryDelay?: { readonly seconds: bigint | number; readonly nanos: number } | undefined;
};

/** One that is made here: for what does not become a call. */
export function failureWith({ code, details, extra }: RichServerError): CallFailure {
  const told = extra.map((detail) => ({ typeName: detail.$type, detail: detail as unknown as Unpacked }));
  return { code, message: details, ...detailsFrom(told) };
}

function detailsOf(header: string | string[] | undefined): Details {
  if (typeof header !== "string") return detailsFrom([]);
  const status = fromBinary(messageType("google.rpc.Status"), Buffer.from(header, "base64"));
  const told = (status as unknown as { readonly details: readonly Any[] }).details.map((any) => {
    const message = anyUnpack(any, registry);
    return { typeName: message?.$typeName, detail: message as unknown as Unpacked };
  });
  return detailsFrom(told);
}

function detailsFrom(told: readonly { readonly typeName: string | undefined; readonly detail: Unpacked }[]): Details {
  const details: { -readonly [Name in keyof Details]: Details[Name] } = {
    reason: undefined,
    metadata: {},
    fields: [],
    preconditions: [],
    retryAfterMs: undefined,
  };
  for (const { typeName, detail } of told) {
    switch (typeName) {
      case "google.rpc.ErrorInfo":
        details.reason = detail.reason;
        details.metadata = detail.metadata;
        break;
      case "google.rpc.BadRequest":
        details.fields = detail.fieldViolations;
        break;
      case "google.rpc.PreconditionFailure":
        details.preconditions = detail.violations;
        break;
      case "google.rpc.RetryInfo":
        details.retryAfterMs = Number(detail.retryDelay?.seconds ?? 0) * 1000 + (detail.retryDelay?.nanos ?? 0) / 1e6;
        break;
    }
  }
  return details;
}
