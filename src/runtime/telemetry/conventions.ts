import { placeOf } from "../../kernel/address.ts";

// The semantic conventions of OpenTelemetry for RPC, as they are stable (1.45):
// https://opentelemetry.io/docs/specs/semconv/rpc/grpc/. A span of a call has the name of its method.

/** Of how long calls take, in seconds, as they advise. */
export const callSecondsBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

export type CallAttributes = Readonly<Record<string, string | number>>;

/** Of an answer, those that say that the server has failed. For its caller, every end but OK is a failure. */
const failuresOfServer = new Set(["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"]);

export const failureOfServer = (code: string): string | undefined => (failuresOfServer.has(code) ? code : undefined);

export const failureForCaller = (code: string): string | undefined => (code === "OK" ? undefined : code);

/** `method` as `package.Service/Method`. */
export const callAttributes = (method: string): CallAttributes => ({ "rpc.system.name": "grpc", "rpc.method": method });

export const endAttributes = (code: string): CallAttributes => ({ "rpc.response.status_code": code });

/** Whom a client has called. */
export function serverAttributes(address: string): CallAttributes {
  const place = placeOf(address);
  if (place === undefined) return { "server.address": address };
  return "path" in place ? { "server.address": place.path } : { "server.address": place.host, "server.port": place.port };
}
