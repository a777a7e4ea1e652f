import type { DurationMs } from "../kernel/time.ts";

/**
 * The body of an answer with status 200. Rejects, with words for the operator, if it is another, is longer, or does not come in time; redirects are not
 * followed.
 */
export async function fetchText(
  url: string,
  { timeoutMs, bytesMax }: { readonly timeoutMs: DurationMs; readonly bytesMax: number },
): Promise<string> {
  const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(timeoutMs) }).catch((error: Error) => {
    const cause = error.cause instanceof Error ? error.cause.message : error.message;
    throw new Error(`${url}: ${cause}`, { cause: error });
  });
  if (answer.status !== 200) throw new Error(`${url}: HTTP status ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`${url}: the answer has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
