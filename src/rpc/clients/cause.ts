import { ClientError, Status } from "nice-grpc";
import { tlsCauses, tlsTroubleOf } from "./tls-cause.ts";

/** Why another process has not answered, in a few words for logs, health and status. */
export function causeOf(error: unknown): string {
  if (error instanceof Error && error.name === "AbortError") return late;
  if (!(error instanceof ClientError)) return error instanceof Error ? error.message : String(error);
  const { code, details } = error;
  if (code === Status.DEADLINE_EXCEEDED) return late;
  return unreachedCause(details) ?? `${Status[code]}: ${details}`;
}

/** What is not heard in time is left. */
const late = "it has not answered in time";

/** Of what grpc-js says of all that it has tried, with times and notes. Undefined: there was a connection, and these are others' words. */
export function unreachedCause(details: string): string | undefined {
  if (details.startsWith("Name resolution failed")) return "no host has this name";
  if (details.startsWith("Received HTTP status code")) return `what listens there does not speak gRPC (${details})`;
  const cause = connectFailure(details);
  return cause === undefined ? undefined : unconnectedCause(cause);
}

/** Of the error that has ended a try to connect. */
export function unconnectedCause(error: string): string {
  if (/ENOTFOUND|EAI_AGAIN/.test(error)) return "no host has this name";
  if (isAbsent(error)) return "nobody listens there";
  if (error === "Failed to connect") return "it has closed the connection before it said a word; its log may say why";
  const trouble = tlsTroubleOf(error);
  if (trouble !== undefined) return `${tlsCauses[trouble]} (${inOneLine(error)})`;
  return isOutOfReach(error) ? `it cannot be reached (${error})` : `what listens there does not speak gRPC (${error})`;
}

/** OpenSSL's words end with a line break. */
const inOneLine = (error: string): string => error.trim().replace(/^[0-9A-F]+:error:[0-9A-F]+:/, "");

/** What has ended the last try to connect. */
export const connectFailure = (details: string): string | undefined =>
  /^No connection established\. Last error: (?:Error: )?(.*?)\s*(?: \(\d{4}-[^)]*\))?\. Resolution note/s.exec(details)?.[1];

export const isAbsent = (cause: string): boolean => /ECONNREFUSED|ENOENT/.test(cause);

export const isOutOfReach = (cause: string): boolean =>
  /EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EACCES|EADDRNOTAVAIL|Connection attempt timed out/.test(cause);
