import type { IncomingMessage, ServerResponse } from "node:http";
import type { ClientHttp2Session } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Status } from "nice-grpc-common";
import type { PeerState } from "../rpc/clients/peer-watch.ts";
import { messageType } from "../rpc/descriptors.ts";
import type { CallFailure } from "./call-failure.ts";
import { authorizationOf, type Refusal } from "./call-request.ts";
import { callGrpc } from "./grpc-call.ts";
import { problemOf } from "./problem.ts";
import { httpRules } from "./rules.ts";
import { send } from "./send.ts";

const requestType = messageType("grpc.health.v1.HealthCheckRequest");
const responseType = messageType("grpc.health.v1.HealthCheckResponse");

const serviceNames = [...new Set(httpRules.map(({ method }) => method.parent.typeName))];

type Word = "SERVING" | "NOT_SERVING";

/** What `grpc.health.v1` says of the services of this process: 200 if all of them serve, else 503. */
export async function healthOf(
  session: ClientHttp2Session,
  request: IncomingMessage,
  response: ServerResponse,
  peers: readonly PeerState[],
): Promise<Refusal | undefined> {
  const services: Record<string, Word> = {};
  for (const name of serviceNames) {
    const word = await wordOf(session, authorizationOf(request.headers), name);
    if (typeof word === "object") return { problem: problemOf(word) };
    if (word !== undefined) services[name] = word;
  }
  const isServing = Object.values(services).every((word) => word === "SERVING");
  const status = isServing ? "SERVING" : "NOT_SERVING";
  const body = { status, services, ...(peers.length > 0 && { peers: peersToJson(peers) }) };
  send(response, isServing ? 200 : 503, JSON.stringify(body));
  return undefined;
}

/** What others serve changes nothing of what is served here. */
const peersToJson = (peers: readonly PeerState[]) =>
  Object.fromEntries(
    peers.map(({ service, address, isThere, cause }) => [
      service,
      { address, status: isThere === undefined ? "UNKNOWN" : isThere ? "THERE" : "AWAY", ...(cause !== undefined && { cause }) },
    ]),
  );

/** Undefined: this process has no such service. */
async function wordOf(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  service: string,
): Promise<Word | CallFailure | undefined> {
  const asked = toBinary(requestType, create(requestType, { service } as never));
  const call = callGrpc(session, "/grpc.health.v1.Health/Check", headers, asked);
  let answered = new Uint8Array();
  for await (const message of call.messages) answered = new Uint8Array(message);
  const failure = await call.failure();
  if (failure !== undefined) return failure.code === Status.NOT_FOUND ? undefined : failure;
  const { status } = fromBinary(responseType, answered) as unknown as { readonly status: number };
  return status === 1 ? "SERVING" : "NOT_SERVING";
}
