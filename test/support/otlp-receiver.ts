import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { portOf } from "../../src/runtime/port-of.ts";

/** Of a span in opentelemetry/proto/trace/v1/trace.proto, what is looked at. */
export type ReceivedSpan = {
  readonly trace: string;
  readonly id: string;
  /** Empty: it is the first. */
  readonly parent: string;
  readonly name: string;
  readonly kind: string;
  readonly attributes: Attributes;
  /** Spans of others. */
  readonly links: readonly string[];
  readonly failed: boolean;
  /** Of the resource. */
  readonly service: string;
};

/** Of a histogram's series. */
export type ReceivedSeries = {
  readonly name: string;
  readonly unit: string;
  readonly count: number;
  readonly attributes: Attributes;
};

type Attributes = Readonly<Record<string, string>>;

export type OtlpReceiver = {
  readonly endpoint: string;
  readonly spans: readonly ReceivedSpan[];
  /** As they were told last. */
  readonly series: readonly ReceivedSeries[];
  /** How many requests came. */
  readonly requests: () => number;
  readonly close: () => Promise<void>;
};

/** A collector of OpenTelemetry, on loopback. `answer`: what it says instead of 200; undefined: nothing, for ever. */
export async function receiveOtlp(answer: () => number | undefined = () => 200): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  let series: readonly ReceivedSeries[] = [];
  let requests = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      requests += 1;
      const status = answer();
      if (status === undefined) return;
      const body = Buffer.concat(chunks);
      const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
      if (status === 200 && request.url === "/v1/traces") spans.push(...spansIn(bytes));
      if (status === 200 && request.url === "/v1/metrics") series = seriesIn(bytes);
      response.writeHead(status, { "content-type": "application/x-protobuf" }).end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    endpoint: `http://127.0.0.1:${portOf(server)}`,
    spans,
    get series() {
      return series;
    },
    requests: () => requests,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/** A message as its fields have it, without its schema. */
type Fields = ReadonlyMap<number, readonly (Uint8Array | bigint)[]>;

function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Uint8Array | bigint)[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const value = fieldOf(reader, type, number);
    const values = fields.get(number) ?? [];
    values.push(value);
    fields.set(number, values);
  }
  return fields;
}

function fieldOf(reader: BinaryReader, type: WireType, number: number): Uint8Array | bigint {
  switch (type) {
    case WireType.Varint:
      return BigInt(reader.uint64());
    case WireType.Bit64:
      return BigInt(reader.fixed64());
    case WireType.LengthDelimited:
      return reader.bytes();
    default:
      return reader.skip(type, number);
  }
}

const messages = (fields: Fields, number: number): readonly Fields[] =>
  (fields.get(number) ?? []).map((value) => fieldsOf(value as Uint8Array));
const bytesIn = (fields: Fields, number: number): Buffer => Buffer.from((fields.get(number)?.[0] ?? []) as Uint8Array);
const text = (fields: Fields, number: number): string => bytesIn(fields, number).toString();
const hex = (fields: Fields, number: number): string => bytesIn(fields, number).toString("hex");
const count = (fields: Fields, number: number): number => Number(fields.get(number)?.[0] ?? 0);

const attributesIn = (fields: Fields, number: number): Attributes =>
  Object.fromEntries(
    messages(fields, number).map((pair) => {
      const [value = new Map()] = messages(pair, 2);
      return [text(pair, 1), value.has(3) ? String(count(value, 3)) : text(value, 1)];
    }),
  );

const kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const statusError = 2;

function spansIn(bytes: Uint8Array): readonly ReceivedSpan[] {
  return messages(fieldsOf(bytes), 1).flatMap((resourceSpans) => {
    const service = attributesIn(messages(resourceSpans, 1)[0] ?? new Map(), 1)["service.name"] ?? "";
    return messages(resourceSpans, 2)
      .flatMap((scope) => messages(scope, 2))
      .map((span) => ({
        trace: hex(span, 1),
        id: hex(span, 2),
        parent: hex(span, 4),
        name: text(span, 5),
        kind: kinds[count(span, 6)] ?? "",
        attributes: attributesIn(span, 9),
        links: messages(span, 13).map((link) => hex(link, 2)),
        failed: messages(span, 15).some((status) => count(status, 3) === statusError),
        service,
      }));
  });
}

function seriesIn(bytes: Uint8Array): readonly ReceivedSeries[] {
  return messages(fieldsOf(bytes), 1)
    .flatMap((resource) => messages(resource, 2))
    .flatMap((scope) => messages(scope, 2))
    .flatMap((metric) =>
      messages(metric, 9)
        .flatMap((histogram) => messages(histogram, 1))
        .map((point) => ({
          name: text(metric, 1),
          unit: text(metric, 3),
          count: count(point, 4),
          attributes: attributesIn(point, 9),
        })),
    );
}
