import type { ServerResponse } from "node:http";
import { requestIdKey } from "../rpc/origin-headers.ts";
import { jsonType } from "./accept.ts";
import { type Problem, problemType } from "./problem.ts";

type Headers = Readonly<Record<string, string>>;

/** Of every answer. What is true now is not to be kept, and what is JSON is never to be taken for a page. */
export const answerHeaders = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

export function send(response: ServerResponse, status: number, body: string, headers: Headers = {}): void {
  if (response.destroyed) return;
  if (status === 204) {
    response.writeHead(status, { ...answerHeaders, ...headers }).end();
    return;
  }
  // A line of its own in a terminal.
  const line = `${body}\n`;
  const content = { "content-type": jsonType, "content-length": Buffer.byteLength(line) };
  response.writeHead(status, { ...answerHeaders, ...content, ...headers }).end(line);
}

/** With the id of the request, which each answer has in its headers. */
export const problemText = (response: ServerResponse, problem: Problem): string =>
  JSON.stringify({ ...problem, requestId: problem.requestId ?? response.getHeader(requestIdKey) });

/** RFC 6750: what proves who asks, and, if something was shown, that it does not. */
const challengeOf = ({ metadata }: Problem): string =>
  `Bearer realm="concord"${metadata?.["why"] === "NO_PROOF" ? "" : ', error="invalid_token"'}`;

export function sendProblem(response: ServerResponse, problem: Problem, headers: Headers = {}): void {
  const { status, requestId, retryAfterSeconds } = problem;
  send(response, status, problemText(response, problem), {
    "content-type": problemType,
    ...(requestId !== undefined && { [requestIdKey]: requestId }),
    ...(status === 401 && { "www-authenticate": challengeOf(problem) }),
    // In whole seconds: a little later is right too.
    ...(retryAfterSeconds !== undefined && { "retry-after": String(Math.ceil(retryAfterSeconds)) }),
    ...headers,
  });
}
