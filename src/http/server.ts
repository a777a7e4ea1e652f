import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { RichServerError } from "nice-grpc-error-details";
import { placeOf as listenPlaceOf, takesTls } from "../kernel/address.ts";
import { assert } from "../kernel/assert.ts";
import { usableCallId } from "../kernel/origin.ts";
import type { DurationMs } from "../kernel/time.ts";
import { socketPeer } from "../rpc/address.ts";
import type { PeerState } from "../rpc/clients/peer-watch.ts";
import type { CarriedSocket } from "../rpc/connections.ts";
import { internalError, overloaded, twoProofs } from "../rpc/errors.ts";
import { hasTwoProofs } from "../rpc/headers.ts";
import { handshakeMs, headerBytesMax, requestMs } from "../rpc/limits.ts";
import { requestIdKey } from "../rpc/origin-headers.ts";
import type { Refused } from "../rpc/refusals.ts";
import { createHostCheck } from "../runtime/host-check.ts";
import type { Logger } from "../runtime/logger.ts";
import type { LoopWatch } from "../runtime/loop-watch.ts";
import { portOf } from "../runtime/port-of.ts";
import { standBefore } from "../runtime/tls/stand-before.ts";
import type { Tls } from "../runtime/tls/tls.ts";
import { within } from "../runtime/within.ts";
import { createBodies } from "./bodies.ts";
import { failureOf, failureWith } from "./call-failure.ts";
import { allowOf, bodyRefusal, callHeaders, fixedOf, invalidProblem, type Refusal, ruleOf } from "./call-request.ts";
import { type Carried, carry } from "./carried.ts";
import { createCors } from "./cors.ts";
import { sendEvents } from "./events.ts";
import { callGrpc, unsent } from "./grpc-call.ts";
import { healthOf } from "./health.ts";
import { idleMs, pipelinedCountMax, waitingAnswerBytesMax, waitingBodyBytesMax } from "./limits.ts";
import { plainProblem, problemOf } from "./problem.ts";
import { placeOf } from "./routes.ts";
import { send, sendProblem } from "./send.ts";
import { createTranslator } from "./translator.ts";
import { endUnread } from "./unread.ts";

export type HttpServer = {
  readonly port: number;
  /** Of bodies that have not come whole. */
  readonly receivingBytes: () => number;
  /** Takes no new connections, and ends each with its next answer. */
  readonly leave: () => void;
  /** Ends whatever is open, when what is answered has had a moment to be read. */
  readonly close: () => Promise<void>;
};

/** From the headers of a request, all that the call is answered with that it would become; undefined, if it may be made. `path`: of the method. */
export type HttpRefusal = (
  path: string,
  request: Pick<IncomingMessage, "headers" | "socket">,
) => Promise<OutgoingHttpHeaders | undefined>;

type Options = {
  /** host:port, of which port 0 has one chosen; or unix:/path. */
  readonly address: string;
  /** Where calls go. */
  readonly accept: (socket: CarriedSocket) => void;
  readonly bodyBytesMax: number;
  readonly receivingBytesMax: number;
  /** Of what comes by a port. */
  readonly tls?: Tls | undefined;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** Of a request whose sender may not make the call that it would become. */
  readonly refusal?: HttpRefusal | undefined;
  /** What others serve that this process needs. */
  readonly peers?: () => readonly PeerState[];
  readonly logger: Logger;
  readonly loop: LoopWatch;
  readonly onRefused: Refused;
};

/** As gRPC's server gives it. */
const hangUpMs: DurationMs = 500;

/** The description of what is served, made from the contract. */
const openApi = readFileSync(new URL("../gen/openapi.json", import.meta.url), "utf8").trimEnd();

/** Serves what the contract says of HTTP: each request becomes a call of gRPC, and its answer JSON. Rejects if it cannot listen. */
export async function serveHttp(options: Options): Promise<HttpServer> {
  const { logger, loop } = options;
  const isMeantForUs = createHostCheck(options.address, options.allowedHosts);
  const cors = createCors(options.allowedOrigins);
  const bodies = createBodies(options, options.onRefused);
  const translator = createTranslator();
  const carriedBy = new WeakMap<Socket, Carried>();
  const sockets = new Set<Socket>();
  const stopLooking = endUnread(sockets, waitingAnswerBytesMax, options.onRefused);
  /** Requests that are being answered; once nothing is, who waits for it. */
  const open = { count: 0, none: (): void => undefined };
  let leaving = false;

  const bounds = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: handshakeMs,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: 1_000,
  };
  const tls = takesTls(options.address) ? options.tls : undefined;
  const server = tls ? createTlsServer({ ...bounds, ...tls.options(), ALPNProtocols: ["http/1.1"] }) : createServer(bounds);
  if (tls) standBefore(server as TlsServer, { tls, handshakeMs, logger });
  server.on(tls ? "secureConnection" : "connection", (socket: Socket) => {
    if (socket.destroyed) return;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    carriedBy.set(socket, carry(socket, options.accept));
  });
  server.on("request", (request, response) => {
    const carried = carriedBy.get(request.socket);
    if (carried === undefined || carried.open >= pipelinedCountMax) {
      request.socket.destroy();
      return;
    }
    carried.open += 1;
    open.count += 1;
    response.once("close", () => {
      open.count -= 1;
      if (open.count === 0) open.none();
    });
    carried.last = carried.last.then(() =>
      loop
        .run({ job: "http" }, () => answer(carried, request, response))
        .finally(() => {
          carried.open -= 1;
        }),
    );
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuseUnread(error, socket, logger));

  async function answer(carried: Carried, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedMs = performance.now();
    // Its sender may have left while those before it were answered.
    if (response.destroyed) return;
    const { method, headers, socket } = request;
    // What is asked in a query, such as a filter, may have what workflows have in them, or a secret that does not belong there.
    const [path] = splitOnce(request.url ?? "", "?");
    const requestId = usableCallId(String(headers[requestIdKey] ?? "")) ?? randomUUID();
    response.setHeader(requestIdKey, requestId);
    for (const [name, value] of cors.headersFor(request)) response.setHeader(name, value);
    try {
      const refusal = await answerOrRefuse(carried, request, response, requestId);
      if (refusal !== undefined) sendProblem(response, refusal.problem, refusal.headers);
    } catch (error) {
      logger.error({ request: requestId, method, path, err: error }, "request failed: a defect");
      if (response.headersSent) response.destroy();
      else sendProblem(response, problemOf(failureWith(internalError())));
    }
    if (leaving || carried.session.closed) response.shouldKeepAlive = false;
    const ms = Math.round(performance.now() - startedMs);
    const { statusCode: status } = response;
    logger.debug({ request: requestId, method, path, status, peer: socketPeer(socket), ms }, "request");
  }

  async function answerOrRefuse(
    { session }: Carried,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
  ): Promise<Refusal | undefined> {
    if (leaving || session.closed) response.setHeader("connection", "close");
    if (!isMeantForUs(request.headers.host)) {
      const detail = `Host ${JSON.stringify(request.headers.host)} is none of this machine; see --http-allow-host`;
      return { problem: plainProblem(421, detail) };
    }
    if (hasTwoProofs(request.headers, request.rawHeaders))
      return { problem: invalidProblem([{ field: "", description: twoProofs }]) };
    // A proxy may ask for the whole URL.
    const [path = "", query = ""] = splitOnce((request.url ?? "").replace(/^https?:\/\/[^/?]*/i, ""), "?");
    const own = ownPlaces.get(path);
    if (own !== undefined) {
      if (request.method === "OPTIONS") return void send(response, 204, "", { allow: ownAllow });
      if (request.method !== "GET" && request.method !== "HEAD") {
        return { problem: plainProblem(405, `${request.method} is not served here`), headers: { allow: ownAllow } };
      }
      return own(session, request, response, options.peers?.() ?? []);
    }
    let place: ReturnType<typeof placeOf>;
    try {
      place = placeOf(path);
    } catch {
      return { problem: plainProblem(400, "the path is not percent-encoded UTF-8") };
    }
    if (place === undefined) return { problem: plainProblem(404, "nothing is served here; /openapi.json says what is where") };
    if (request.method === "OPTIONS") {
      const allow = allowOf(place);
      return void send(response, 204, "", { allow, ...cors.preflight(request, allow) });
    }
    if (!cors.maySend(request)) {
      const detail = `pages of ${JSON.stringify(request.headers.origin)} may change nothing here; see --http-allow-origin`;
      return { problem: plainProblem(403, detail) };
    }
    const rule = ruleOf(place, request);
    if ("problem" in rule) return rule;
    const { method } = rule;
    const callPath = `/${method.parent.typeName}/${method.name}`;
    const refused = await options.refusal?.(callPath, request);
    // Nobody reads its body.
    if (refused !== undefined) return refusalOf(refused, rule.hasBody);
    const headers = callHeaders(request, requestId);
    if ("problem" in headers) return headers as Refusal;
    const unreadable = bodyRefusal(rule, request);
    if (unreadable !== undefined) return unreadable;
    const lastEventId = request.headers["last-event-id"];
    const { fixed, problems } = fixedOf(rule, place, query, typeof lastEventId === "string" ? lastEventId : undefined);
    if (problems.length > 0) return { problem: invalidProblem(problems) };
    const body = await bodies.read(request);
    if (body === undefined) return undefined;
    if (body instanceof RichServerError) return { problem: problemOf(failureWith(body)), headers: { connection: "close" } };
    const encoded = await translator.request({ typeName: method.input.typeName, body, fixed });
    if (encoded === undefined)
      return { problem: problemOf(failureWith(overloaded(waitingBodyBytesMax, "bytes of bodies wait"))) };
    if (encoded.type === "invalid") return { problem: invalidProblem(encoded.problems) };
    const call = callGrpc(session, callPath, headers as Record<string, string>, encoded.bytes);
    response.once("close", () => {
      if (!response.writableFinished) call.leave();
    });
    const text = (bytes: Uint8Array) =>
      translator.response({ typeName: method.output.typeName, bytes, isEvent: method.methodKind !== "unary" });
    if (method.methodKind !== "unary") return sendEvents(call, response, text);
    let answered: Uint8Array | undefined;
    for await (const message of call.messages) answered = message;
    const failure = await call.failure();
    const transactionId = call.headers()["concord-transaction-id"];
    const told = typeof transactionId === "string" ? { "concord-transaction-id": transactionId } : {};
    if (failure !== undefined) return { problem: problemOf(failure), headers: told };
    if (answered === undefined) throw new Error(`${method.name} succeeded without an answer`);
    const json = await text(answered);
    if (json === undefined) return { problem: problemOf(unsent), headers: told };
    return void send(response, 200, json, told);
  }

  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(listenPlaceOf(options.address), resolve);
  await promise;
  return {
    port: portOf(server),
    receivingBytes: bodies.bytes,
    leave: () => {
      leaving = true;
      server.close();
    },
    close: async () => {
      const closed = new Promise((done) => {
        if (server.listening) server.close(done);
        else done(undefined);
      });
      // What has ended is on its way to who asked.
      const answered = new Promise<void>((none) => {
        open.none = none;
      });
      if (open.count > 0) await within(hangUpMs, answered);
      server.closeAllConnections();
      await closed;
      stopLooking();
      await translator.close();
    },
  };
}

const ownAllow = "GET, HEAD, OPTIONS";

/** What is served here and is no RPC. */
const ownPlaces = new Map<
  string,
  (
    session: Carried["session"],
    request: IncomingMessage,
    response: ServerResponse,
    peers: readonly PeerState[],
  ) => Promise<Refusal | undefined> | undefined
>([
  ["/health", healthOf],
  ["/openapi.json", (_session, _request, response) => void send(response, 200, openApi)],
]);

function refusalOf(answer: OutgoingHttpHeaders, hasBody: boolean): Refusal {
  const failure = failureOf(answer as IncomingHttpHeaders);
  assert(failure !== undefined, "a refusal has a status");
  return { problem: problemOf(failure), ...(hasBody && { headers: { connection: "close" } }) };
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** What is not HTTP, or has not come in time. */
function refuseUnread(error: NodeJS.ErrnoException, socket: Socket, logger: Logger): void {
  // An answer may have begun, and a request that is no request gets none after it.
  if (socket.bytesWritten > 0 || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? plainProblem(408, "the request did not come in time")
      : error.code === "HPE_HEADER_OVERFLOW"
        ? plainProblem(431, `the headers have more than ${headerBytesMax} bytes`)
        : plainProblem(400, "this is not HTTP/1.1");
  const requestId = randomUUID();
  logger.debug({ request: requestId, status: problem.status, peer: socketPeer(socket), reason: problem.detail }, "request");
  const body = JSON.stringify({ ...problem, requestId });
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "connection: close",
    "content-type: application/problem+json",
    `${requestIdKey}: ${requestId}`,
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
