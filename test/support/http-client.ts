import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";

// HTTP as a stranger speaks it: whatever headers he likes, from an address of his choice.

// biome-ignore lint/suspicious/noExplicitAny: what JSON holds is known at run time only
export type Json = any;

export type Answer = { readonly status: number; readonly headers: IncomingMessage["headers"]; readonly text: string };

export type Asked = {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** An object goes as JSON, with its type. */
  readonly body?: object | string | Buffer;
  readonly localAddress?: string;
};

function open(url: string, { method = "GET", headers = {}, body, localAddress = "127.0.0.1" }: Asked): Promise<IncomingMessage> {
  const isPlain = body === undefined || typeof body === "string" || body instanceof Buffer;
  const sent = isPlain ? body : JSON.stringify(body);
  const type = body === undefined || "content-type" in headers ? {} : { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const options = { method, localAddress, agent: false, headers: { ...type, ...headers } } as const;
    httpRequest(url, options, resolve).once("error", reject).end(sent);
  });
}

export async function ask(url: string, asked: Asked = {}): Promise<Answer> {
  const response = await open(url, asked);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() };
}

export async function askJson(url: string, asked: Asked = {}): Promise<{ readonly status: number; readonly json: Json }> {
  const { status, text } = await ask(url, asked);
  return { status, json: JSON.parse(text) };
}

/** One of the stream, as the standard reads it: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export type SentEvent = {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: Json;
  readonly comment: string | undefined;
};

export type Events = {
  readonly status: number;
  /** The next one. Undefined: the stream has ended. */
  readonly next: () => Promise<SentEvent | undefined>;
  readonly close: () => void;
};

export async function openEvents(url: string, headers: OutgoingHttpHeaders = {}): Promise<Events> {
  const response = await open(url, { headers: { accept: "text/event-stream", ...headers } });
  const blocks = blocksOf(response);
  return {
    status: response.statusCode ?? 0,
    next: async () => {
      const block = await blocks.next();
      return block.done === true ? undefined : parsed(block.value);
    },
    close: () => response.destroy(),
  };
}

export async function* blocksOf(response: IncomingMessage): AsyncGenerator<string, void> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
    for (let at = text.indexOf("\n\n"); at >= 0; at = text.indexOf("\n\n")) {
      yield text.slice(0, at);
      text = text.slice(at + 2);
    }
  }
}

export function parsed(block: string): SentEvent {
  const lines = block.split("\n").map((line) => /^([a-z]*): ?(.*)$/.exec(line) ?? []);
  const field = (name: string): string | undefined => lines.find(([, one]) => one === name)?.[2];
  const data = field("data");
  return { id: field("id"), event: field("event"), data: data === undefined ? undefined : JSON.parse(data), comment: field("") };
}
