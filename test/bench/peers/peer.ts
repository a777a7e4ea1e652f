import type { Measured } from "../measured.ts";

/** How hard something is loaded, and for how long. */
export type Pressure = { readonly concurrency: number; readonly warmUpMs: number; readonly durationMs: number };

/** One measurement. Its rate is that of what succeeded. */
export type Round = Measured & {
  readonly failed: number;
  /** Of the server, for each operation that it has carried out. */
  readonly cpuMicros: number;
};

/** One operation, asked for again and again from outside. */
export type Subject = { readonly run: (pressure: Pressure) => Promise<Round> };

/** Somebody else's server that does comparable work, ready to be loaded. */
export type Peer = Subject & {
  /** Exact, and the settings that matter. */
  readonly version: string;
  readonly stop: () => Promise<void>;
};

/** Why a peer cannot be run here. */
export type Missing = { readonly missing: string };
