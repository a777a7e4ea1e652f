import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { type FieldViolation, invalidRequest } from "../rpc/errors.ts";
import { requestIdKey, traceparentKey, tracestateKey } from "../rpc/origin-headers.ts";
import { eventsType, jsonType, names, takes } from "./accept.ts";
import { type CallFailure, failureWith } from "./call-failure.ts";
import { type Problem, plainProblem, problemOf } from "./problem.ts";
import { queryJson, valueJson } from "./query.ts";
import type { Place } from "./routes.ts";
import type { HttpRule, Verb } from "./rules.ts";

/** A request that is answered at once. `headers`: what goes with the answer. */
export type Refusal = { readonly problem: Problem; readonly headers?: Readonly<Record<string, string>> };

/** The methods that a place takes, as `Allow` has them. */
export function allowOf({ byVerb }: Place): string {
  const hasHead = byVerb.get("GET")?.some(isUnary) === true;
  return [...byVerb.keys(), ...(hasHead ? ["HEAD"] : []), "OPTIONS"].join(", ");
}

const isUnary = ({ method }: HttpRule): boolean => method.methodKind === "unary";

/** Which RPC is meant. A list and the stream of what it lists have one place: who wants the stream says so in `Accept`. */
export function ruleOf(place: Place, { method: verb = "", headers: { accept } }: IncomingMessage): HttpRule | Refusal {
  const rules = place.byVerb.get((verb === "HEAD" ? "GET" : verb) as Verb) ?? [];
  const one = rules.find(isUnary);
  const stream = verb === "HEAD" ? undefined : rules.find((rule) => !isUnary(rule));
  if (one === undefined && stream === undefined) {
    const allow = allowOf(place);
    return { problem: plainProblem(405, `${verb} is not served here; ${allow} are`), headers: { allow } };
  }
  if (stream !== undefined && (names(accept, eventsType) || (one === undefined && takes(accept, eventsType)))) return stream;
  if (one !== undefined && takes(accept, jsonType)) return one;
  const served = [...(one ? [jsonType] : []), ...(stream ? [eventsType] : [])].join(" or ");
  return { problem: plainProblem(406, `Accept takes nothing that is served here: ${served}`) };
}

/** What of the headers says that the body cannot be read. */
export function bodyRefusal({ hasBody }: HttpRule, { method, headers }: IncomingMessage): Refusal | undefined {
  const isThere = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
  if (!isThere) return undefined;
  if (!hasBody) return { problem: plainProblem(400, `${method} takes no body here: the fields are in the path and the query`) };
  const type = headers["content-type"] ?? "";
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type)) {
    const detail = `the body must be ${jsonType} in UTF-8, and Content-Type must say so; it says ${JSON.stringify(type)}`;
    return { problem: plainProblem(415, detail), headers: { accept: jsonType } };
  }
  if ((headers["content-encoding"] ?? "identity") === "identity") return undefined;
  return { problem: plainProblem(415, "the body must not be compressed"), headers: { "accept-encoding": "identity" } };
}

type Fixed = { readonly [name: string]: JsonValue };

/** What path, query and headers say of the message. */
export function fixedOf(
  rule: HttpRule,
  { values }: Place,
  query: string,
  lastEventId: string | undefined,
): { readonly fixed: Fixed; readonly problems: readonly FieldViolation[] } {
  const { input, methodKind } = rule.method;
  const variables = rule.segments.flatMap((segment) => ("field" in segment ? [segment.field] : []));
  const inPath = Object.fromEntries(variables.map((field, index) => [field.name, valueJson(field, values[index] ?? "")]));
  const inQuery = queryJson(input, query);
  const misplaced = rule.hasBody
    ? Object.keys(inQuery.json).map((field) => ({ field, description: "must be in the body" }))
    : variables
        .filter(({ name }) => name in inQuery.json)
        .map(({ name }) => ({ field: name, description: "is in the path already" }));
  const fixed: Record<string, JsonValue> = { ...inQuery.json, ...inPath };
  const problems = [...inQuery.problems, ...misplaced];
  const resumes = methodKind === "server_streaming" && input.fields.some(({ name }) => name === "after_sequence");
  // A browser that connects again sends the query of the first time with it.
  if (resumes && lastEventId !== undefined && lastEventId !== "") {
    if (!/^\d{1,16}$/.test(lastEventId)) problems.push({ field: "Last-Event-ID", description: "must be the id of an event" });
    delete fixed["position"];
    fixed["after_sequence"] = lastEventId;
  }
  return { fixed, problems };
}

/** As gRPC writes it: up to eight digits, and a unit. */
const timeoutPattern = /^\d{1,8}[HMSmun]$/;

/** What the call has besides its message. `requestId`: as the caller has sent it, if that can be used. */
export function callHeaders({ headers }: IncomingMessage, requestId: string): Readonly<Record<string, string>> | Refusal {
  const timeout = headers["grpc-timeout"];
  if (timeout !== undefined && (typeof timeout !== "string" || !timeoutPattern.test(timeout))) {
    const description = 'must be up to eight digits and a unit, H, M, S, m (ms), u or n, such as "1500m"';
    return { problem: invalidProblem([{ field: "Grpc-Timeout", description }]) };
  }
  return {
    ...(timeout !== undefined && { "grpc-timeout": timeout }),
    [requestIdKey]: requestId,
    ...authorizationOf(headers),
    ...Object.fromEntries([traceparentKey, tracestateKey].flatMap((key) => handedOn(key, headers[key]))),
  };
}

/** What proves who asks is for the called side to judge. */
export const authorizationOf = ({ authorization }: IncomingHttpHeaders): Readonly<Record<string, string>> =>
  authorization === undefined ? {} : { authorization };

/** What cannot be a header is left out, as if it had not been sent; whether it can be used is for the called side to say. */
const handedOn = (key: string, value: string | readonly string[] | undefined): readonly (readonly [string, string])[] =>
  typeof value === "string" && /^[\x20-\x7e]{1,512}$/.test(value) ? [[key, value]] : [];

export function invalidProblem(problems: readonly FieldViolation[]): Problem {
  const failure: CallFailure = failureWith(invalidRequest(problems));
  return problemOf(failure);
}
