import { ServerError, Status } from "nice-grpc-common";
import { errorDomain } from "../../src/rpc/errors.ts";

/** Of what a handler throws: its status and its reason, `RESOURCE_EXHAUSTED OVERLOADED`. Undefined: it says none. */
export function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof ServerError) || !("extra" in error)) return undefined;
  const details = error.extra as readonly { readonly domain?: string; readonly reason?: string }[];
  const reason = details.find(({ domain }) => domain === errorDomain)?.reason;
  return reason && `${Status[error.code]} ${reason}`;
}
