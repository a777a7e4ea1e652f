import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { cloudEvent } from "../../../src/events/core/cloud-event.ts";
import { answerBytesRead } from "../../../src/events/limits.ts";
import type { Outgoing, Published } from "../../../src/events/ports.ts";
import { createWebhookTransport, retryAfterMs, type WebhookOptions } from "../../../src/events/webhook.ts";
import { sourceEvent } from "../../support/sink-values.ts";

const nowMs = Date.UTC(2026, 10, 26, 12, 0, 0);

const options: WebhookOptions = {
  url: "https://receiver.example/hook",
  secrets: ["secret"],
  timeoutMs: 1_000,
  batchCountMax: 1,
  refusalsMax: 3,
  failuresMax: undefined,
};

const outgoing = (sequence: number): Outgoing => {
  const event = { ...sourceEvent, sequence };
  return { event, body: cloudEvent("store", event) };
};

type Sent = { readonly url: string; readonly init: RequestInit };

/** What is published, and what was sent for it. */
async function publish(
  answer: () => Response | Promise<Response>,
  batch: readonly Outgoing[] = [outgoing(1)],
  fields: Partial<WebhookOptions> = {},
): Promise<{ readonly published: Published; readonly sent: readonly Sent[] }> {
  const sent: Sent[] = [];
  const send = async (url: string | URL | Request, init: RequestInit = {}) => {
    sent.push({ url: String(url), init });
    init.signal?.throwIfAborted();
    return answer();
  };
  const transport = createWebhookTransport({ ...options, ...fields }, "store", () => nowMs, send);
  const opened = await transport.open({ cursor: 0, signal: new AbortController().signal });
  if (!opened.ok) throw new Error(opened.error.cause);
  return { published: await opened.value.publish(batch), sent };
}

describe("a webhook", () => {
  test("gets one event as a CloudEvent, signed as Standard Webhooks say", async () => {
    const { published, sent } = await publish(() => new Response(""));
    expect(published).toEqual({ type: "acknowledged" });
    const [{ url, init } = { url: "", init: {} }] = sent;
    const headers = new Headers(init.headers);
    expect([url, init.method, init.redirect]).toEqual(["https://receiver.example/hook", "POST", "manual"]);
    expect(headers.get("content-type")).toBe("application/cloudevents+json; charset=utf-8");
    expect(headers.get("webhook-id")).toBe("store:1");
    expect(headers.get("webhook-timestamp")).toBe(String(nowMs / 1000));
    const signed = `store:1.${nowMs / 1000}.${init.body as string}`;
    expect(headers.get("webhook-signature")).toBe(`v1,${createHmac("sha256", "secret").update(signed).digest("base64")}`);
    expect(JSON.parse(init.body as string)).toMatchObject({ specversion: "1.0", id: "e-1", data: { reason: "läuft ab 🧊" } });
  });

  test("gets a batch as a JSON array, if it is set up so, also of one", async () => {
    for (const batch of [[outgoing(1)], [outgoing(1), outgoing(4)]]) {
      const { sent } = await publish(() => new Response(), batch, { batchCountMax: 10 });
      const headers = new Headers(sent[0]?.init.headers);
      expect(headers.get("content-type")).toBe("application/cloudevents-batch+json; charset=utf-8");
      expect(headers.get("webhook-id")).toBe(`store:1-${batch.at(-1)?.event.sequence}`);
      expect(JSON.parse(sent[0]?.init.body as string)).toHaveLength(batch.length);
    }
  });

  test("is signed with each secret, those with whsec_ decoded", async () => {
    const secret = `whsec_${Buffer.from("raw").toString("base64")}`;
    const { sent } = await publish(() => new Response(), [outgoing(1)], { secrets: [secret, "second"] });
    const signed = `store:1.${nowMs / 1000}.${sent[0]?.init.body as string}`;
    const [one, two] = ["raw", "second"].map((key) => `v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    expect(new Headers(sent[0]?.init.headers).get("webhook-signature")).toBe(`${one} ${two}`);
  });

  test.each([
    [200, "acknowledged", {}],
    [299, "acknowledged", {}],
    [301, "refused", {}],
    [400, "refused", {}],
    [401, "refused", {}],
    [404, "refused", {}],
    [408, "failed", {}],
    [410, "gone", {}],
    [422, "refused", {}],
    [425, "failed", {}],
    [429, "failed", {}],
    [500, "failed", { answered: true }],
    [503, "failed", { answered: true }],
  ])("that answers %i: %s", async (status, type, fields) => {
    const { published } = await publish(() => new Response("because", { status }));
    expect(published).toMatchObject({
      type,
      ...fields,
      ...(type !== "acknowledged" && { cause: expect.stringContaining(`HTTP ${status}: because`) }),
    });
    if (type === "failed") expect("answered" in published).toBe("answered" in fields);
  });

  test("that asks for patience with Retry-After has said nothing about the event", async () => {
    const { published } = await publish(() => new Response("", { status: 503, headers: { "retry-after": "7" } }));
    expect(published).toEqual({ type: "failed", cause: "HTTP 503", retryAfterMs: 7_000 });
  });

  test("whose answer does not end is read to a bound only", async () => {
    let pulled = 0;
    const endless = new ReadableStream({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(500).fill(97));
      },
    });
    const { published } = await publish(() => new Response(endless, { status: 400 }));
    expect(published).toEqual({ type: "refused", cause: `HTTP 400: ${"a".repeat(answerBytesRead)}` });
    expect(pulled).toBeLessThan(10);
  });

  test("that is not there fails with why", async () => {
    const refusal = new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") });
    const { published } = await publish(() => Promise.reject(refusal));
    expect(published).toEqual({ type: "failed", cause: "fetch failed: connect ECONNREFUSED" });
  });
});

test.each([
  [null, undefined],
  ["0", 0],
  ["120", 120_000],
  [" 5 ", 5_000],
  [new Date(nowMs + 3_000).toUTCString(), 3_000],
  [new Date(nowMs - 3_000).toUTCString(), 0],
  ["soon", undefined],
])("Retry-After %s", (header, ms) => {
  expect(retryAfterMs(header, nowMs)).toBe(ms);
});
