import type { Proof } from "../access/proof.ts";
import { timerMaxMs } from "../kernel/limits.ts";
import { unauthenticated } from "./gate.ts";

/** Of a call that lasts: aborts when nobody proves any more who makes it. The reason is what its caller is told. */
export type ProofEnd = { readonly signal: AbortSignal; readonly forget: () => void };

export function proofEndOf({ principal, revoked }: Proof): ProofEnd {
  const ending = new AbortController();
  const revoke = (): void => ending.abort(unauthenticated("REVOKED"));
  revoked.addEventListener("abort", revoke);
  let timer: NodeJS.Timeout | undefined;
  function wait(expiresAtMs: number): void {
    const leftMs = expiresAtMs - Date.now();
    if (leftMs <= 0) ending.abort(unauthenticated("EXPIRED"));
    else timer = setTimeout(wait, Math.min(leftMs, timerMaxMs), expiresAtMs).unref();
  }
  if (revoked.aborted) revoke();
  else if (principal.expiresAtMs !== undefined) wait(principal.expiresAtMs);
  return {
    signal: ending.signal,
    forget: () => {
      revoked.removeEventListener("abort", revoke);
      clearTimeout(timer);
    },
  };
}
