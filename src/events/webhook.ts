import { ok } from "../kernel/result.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import { answerBytesRead } from "./limits.ts";
import type { Outgoing, Published, Transport } from "./ports.ts";
import { signatureHeaders } from "./signature.ts";

export type WebhookOptions = {
  readonly url: string;
  /** What bodies are signed with. */
  readonly secrets: readonly string[];
  /** Until the answer's headers have come. */
  readonly timeoutMs: DurationMs;
  /** 1: each event by itself. More: a CloudEvents batch. */
  readonly batchCountMax: number;
  readonly refusalsMax: number;
  readonly failuresMax: number | undefined;
};

/** HTTP POST, one after the other: a receiver that has answered has what came before. */
export function createWebhookTransport(
  options: WebhookOptions,
  storeId: string,
  nowMs: () => TimeMs,
  send: typeof fetch = fetch,
): Transport {
  const { url, secrets, timeoutMs, batchCountMax, refusalsMax, failuresMax } = options;
  const isBatched = batchCountMax > 1;

  async function post(batch: readonly Outgoing[], signal: AbortSignal): Promise<Published> {
    const bodies = batch.map(({ body }) => body);
    const [first, last] = [batch[0]?.event, batch.at(-1)?.event];
    const body = isBatched ? `[${bodies.join(",")}]` : (bodies[0] ?? "");
    // The same for a repeat.
    const id = isBatched ? `${storeId}:${first?.sequence}-${last?.sequence}` : `${storeId}:${first?.sequence}`;
    const timestampSeconds = Math.floor(nowMs() / 1000);
    const contentType = `application/cloudevents${isBatched ? "-batch" : ""}+json; charset=utf-8`;
    try {
      const response = await send(url, {
        method: "POST",
        body,
        headers: { "content-type": contentType, ...signatureHeaders({ id, timestampSeconds, body, secrets }) },
        // To where a redirect leads, nobody has said that events may go.
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const text = await beginningOf(response).catch(() => "");
      return judged(response.status, retryAfterMs(response.headers.get("retry-after"), nowMs()), text);
    } catch (error) {
      return { type: "failed", cause: messageOf(error) };
    }
  }

  return {
    kind: "webhook",
    windowMax: 1,
    batchCountMax,
    refusalsMax,
    failuresMax,
    open: async () => {
      const closing = new AbortController();
      return ok({
        publish: (batch) => post(batch, closing.signal),
        broken: new Promise<string>(() => {}),
        isProof: false,
        close: async () => closing.abort(),
      });
    },
  };
}

/** Codes that ask for patience, not for another request. */
const comeAgain: ReadonlySet<number> = new Set([408, 425, 429]);

function judged(status: number, retryAfter: DurationMs | undefined, text: string): Published {
  const cause = `HTTP ${status}${text === "" ? "" : `: ${text}`}`;
  if (status >= 200 && status < 300) return { type: "acknowledged" };
  if (status === 410) return { type: "gone", cause };
  if (status >= 300 && status < 400) return { type: "refused", cause: `${cause} (redirects are not followed)` };
  if (status >= 400 && status < 500 && !comeAgain.has(status)) return { type: "refused", cause };
  // A receiver that is asked for patience says nothing about the event.
  const isPatience = comeAgain.has(status) || retryAfter !== undefined;
  return {
    type: "failed",
    cause,
    ...(!isPatience && { answered: true }),
    ...(retryAfter !== undefined && { retryAfterMs: retryAfter }),
  };
}

/** Seconds, or a date. */
export function retryAfterMs(header: string | null, nowMs: TimeMs): DurationMs | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** What people are told of a refusal. The rest is not read. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < answerBytesRead) {
    const { value, done } = await reader.read();
    if (done) break;
    chunks.push(value);
    bytes += value.length;
  }
  await reader.cancel();
  return response.ok ? "" : Buffer.concat(chunks).subarray(0, answerBytesRead).toString().trim();
}

/** fetch hides why behind a `cause`. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}
