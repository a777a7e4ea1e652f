import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Clock } from "../kernel/clock.ts";
import type { DurationMs } from "../kernel/time.ts";
import { keysFailedMs, keysFreshMs, keysKeptMs, unknownKeyMs } from "./limits.ts";

/** The keys of an issuer cannot be had. The message says why, for the operator. */
export class KeysUnavailable extends Error {
  override readonly name = "KeysUnavailable";
}

/** Finds the key of a token, among those that `load` resolves to: they are read when they are needed, and kept. */
export function createKeySet(load: () => Promise<unknown>, clock: Pick<Clock, "monotonicMs">): JWTVerifyGetKey {
  let keys: { readonly find: JWTVerifyGetKey; readonly loadedMs: DurationMs } | undefined;
  let failure: { readonly error: Error; readonly atMs: DurationMs } | undefined;
  let loading: Promise<void> | undefined;

  async function reload(): Promise<void> {
    try {
      const find = createLocalJWKSet((await load()) as JSONWebKeySet);
      keys = { find, loadedMs: clock.monotonicMs() };
      failure = undefined;
    } catch (cause) {
      const words = cause instanceof Error ? cause.message : String(cause);
      failure = { error: new KeysUnavailable(words, { cause }), atMs: clock.monotonicMs() };
    } finally {
      loading = undefined;
    }
  }

  const ageMs = (): DurationMs => (keys === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() - keys.loadedMs);

  /** Together with others who want it now. */
  async function loaded(): Promise<void> {
    if (failure !== undefined && clock.monotonicMs() - failure.atMs < keysFailedMs) return;
    loading ??= reload();
    await loading;
  }

  return async (header, token) => {
    if (ageMs() > keysFreshMs) await loaded();
    if (keys === undefined || ageMs() > keysKeptMs) throw failure?.error ?? new KeysUnavailable("they were not read");
    try {
      return await keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || ageMs() < unknownKeyMs) throw error;
      await loaded();
      return keys.find(header, token);
    }
  };
}
