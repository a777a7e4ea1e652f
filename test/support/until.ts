import { setTimeout as pause } from "node:timers/promises";

const pollIntervalMs = 20;

/**
 * Polls until the condition yields something true, and returns that. The bound is for what never happens; then `describe` tells
 * what there is instead.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  {
    limitMs = 45_000,
    describe = () => "",
  }: { readonly limitMs?: number; readonly describe?: () => string | Promise<string> } = {},
): Promise<T & {}> {
  const givesUpAtMs = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > givesUpAtMs) throw new Error(`waited ${limitMs} ms in vain until ${what}\n${await describe()}`.trimEnd());
    await pause(pollIntervalMs);
  }
}
