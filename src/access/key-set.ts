import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Clock } from "../kernel/clock.ts";
import type { DurationMs } from "../kernel/time.ts";

/** The keys of an issuer cannot be had. The message says why, for the operator. */
export class KeysUnavailable extends Error {
  override readonly name = "KeysUnavailable";
}

/** Read anew after so long: an issuer that gives up a key has to be believed in the end. */
const freshMs: DurationMs = 10 * 60_000;

/** Keys that were there count for so long while the issuer cannot be asked: its outage is not to be one here. */
const keptMs: DurationMs = 60 * 60_000;

/** For a key that is not among them, they are read anew no more often: anybody can name such a key. */
const unknownKeyMs: DurationMs = 5_000;

/** After a failure, no sooner. */
const failedMs: DurationMs = 1_000;

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
    if (failure !== undefined && clock.monotonicMs() - failure.atMs < failedMs) return;
    loading ??= reload();
    await loading;
  }

  return async (header, token) => {
    if (ageMs() > freshMs) await loaded();
    if (keys === undefined || ageMs() > keptMs) throw failure?.error ?? new KeysUnavailable("they were not read");
    try {
      return await keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || ageMs() < unknownKeyMs) throw error;
      await loaded();
      return keys.find(header, token);
    }
  };
}
