import { readFile } from "node:fs/promises";
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  type StreamConfig,
} from "@nats-io/jetstream";
import { connect, credsAuthenticator, headers, type NatsConnection } from "@nats-io/transport-node";
import { err, ok } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { natsPingMs, natsTimeoutMs } from "./limits.ts";
import type { Connection, Outgoing, Published, SourceEvent, Transport } from "./ports.ts";

export type NatsOptions = {
  readonly servers: readonly string[];
  readonly stream: string;
  readonly subjectPrefix: string;
  readonly duplicateWindowMs: DurationMs;
  readonly replicas: number;
  /** A file with a JWT and its key, as `nsc generate creds` makes it. Read for each connection: it may be replaced. */
  readonly credentialsFile: string | undefined;
  /** A file with certificates to trust, PEM. */
  readonly caFile: string | undefined;
};

const nanosPerMs = 1_000_000;

/** NATS JetStream, as CloudEvents in structured mode: one message an event. */
export function createNatsTransport(
  sink: string,
  options: NatsOptions,
  storeId: string,
  log: { readonly warn: (fields: object, message: string) => void },
): Transport {
  return {
    kind: "nats",
    windowMax: 256,
    batchCountMax: 1,
    // The only refusal is one for the size.
    refusalsMax: 1,
    failuresMax: undefined,
    async open({ cursor, signal }) {
      let connection: NatsConnection | undefined;
      try {
        signal.throwIfAborted();
        connection = await connect(await connectionOptions(sink, options));
        const manager = await jetstreamManager(connection, { timeout: natsTimeoutMs });
        const isNew = await provideStream(manager, options);
        if (isNew && cursor > 0) {
          const { stream } = options;
          log.warn(
            { sink, stream, after: cursor },
            "the stream was gone and is made anew; what came before is not in it: reset the sink to publish it again",
          );
        }
        return ok(publishTo(connection, manager.jetstream(), options, storeId));
      } catch (error) {
        await connection?.close();
        return err({ cause: messageOf(error) });
      }
    },
  };
}

async function connectionOptions(sink: string, { servers, credentialsFile, caFile }: NatsOptions) {
  return {
    servers: [...servers],
    name: `concord sink ${sink}`,
    timeout: natsTimeoutMs,
    // The sink begins anew after its cursor: a second way to connect again would publish beside it.
    reconnect: false,
    pingInterval: natsPingMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(credentialsFile !== undefined && { authenticator: credsAuthenticator(await readFile(credentialsFile)) }),
    ...(caFile !== undefined && { tls: { ca: await readFile(caFile, "utf8") } }),
  };
}

/** True if it had to be made. One that is there must take what is published, and know it again. */
async function provideStream({ streams }: JetStreamManager, options: NatsOptions): Promise<boolean> {
  const { stream: name, subjectPrefix, duplicateWindowMs, replicas } = options;
  const subjects = [`${subjectPrefix}.>`];
  try {
    const { config } = await streams.info(name);
    const differs = differences(config, options);
    if (differs.length > 0) throw new Error(`the stream ${name} is there, but ${differs.join("; ")}`);
    return false;
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
    await streams.add({ name, subjects, duplicate_window: duplicateWindowMs * nanosPerMs, num_replicas: replicas });
    return true;
  }
}

export function differences(
  { subjects, duplicate_window: window, sealed, mirror }: Partial<StreamConfig>,
  { subjectPrefix, duplicateWindowMs }: Pick<NatsOptions, "subjectPrefix" | "duplicateWindowMs">,
): readonly string[] {
  const subject = `${subjectPrefix}.>`;
  const windowMs = (window ?? 0) / nanosPerMs;
  return [
    ...(subjects?.some((each) => each === subject || each === ">")
      ? []
      : [`takes ${subjects?.join(", ") || "no subjects"}, not ${subject}`]),
    ...(windowMs < duplicateWindowMs ? [`finds duplicates for ${windowMs} ms only, not ${duplicateWindowMs} ms`] : []),
    ...(sealed === true ? ["is sealed"] : []),
    ...(mirror === undefined ? [] : ["is a mirror"]),
  ];
}

export function publishTo(
  connection: Pick<NatsConnection, "info" | "closed" | "close">,
  client: Pick<JetStreamClient, "publish">,
  options: Pick<NatsOptions, "stream" | "subjectPrefix">,
  storeId: string,
): Connection {
  const { stream: streamName, subjectPrefix } = options;
  const payloadBytesMax = connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
  /** Of the event before. */
  let lastMsgId: string | undefined;

  async function publish([outgoing]: readonly Outgoing[]): Promise<Published> {
    if (outgoing === undefined) return { type: "acknowledged" };
    const payload = Buffer.from(outgoing.body);
    if (payload.length > payloadBytesMax) {
      return { type: "refused", cause: `it has ${payload.length} bytes, and the server takes ${payloadBytesMax} (max_payload)` };
    }
    const msgID = `${storeId}:${outgoing.event.sequence}`;
    // If the one before was not stored, neither is this one: what fails leaves no hole that is filled later, out of order.
    const expect = { streamName, ...(lastMsgId !== undefined && { lastMsgID: lastMsgId }) };
    lastMsgId = msgID;
    const header = headers();
    header.set("content-type", "application/cloudevents+json");
    try {
      await client.publish(subjectOf(subjectPrefix, outgoing.event), payload, {
        msgID,
        expect,
        headers: header,
        timeout: natsTimeoutMs,
        retries: 0,
      });
      return { type: "acknowledged" };
    } catch (error) {
      return { type: "failed", cause: messageOf(error) };
    }
  }

  return {
    publish,
    broken: connection.closed().then((error) => (error instanceof Error ? messageOf(error) : "the connection was closed")),
    isProof: true,
    close: () => connection.close(),
  };
}

/** `<prefix>.<workflow type, or _>.<kind of event>.<workflow id>`, a token each: a dot in a name is written as `%2E`. */
export function subjectOf(prefix: string, { workflowType, type, workflowId }: Omit<SourceEvent, "data">): string {
  const token = (name: string): string => name.replaceAll(".", "%2E");
  return [prefix, workflowType === "" ? "_" : token(workflowType), type.toLowerCase(), token(workflowId)].join(".");
}

const messageOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));
