import type { Spans } from "../../kernel/spans.ts";
import type { DurationMs } from "../../kernel/time.ts";

/** Hears of a call that is over: its method as `package.Service/Method`, how it ended, how long it took. */
export type CallEnded = (method: string, code: string, tookMs: DurationMs) => void;

/** What is told to a collector of OpenTelemetry. */
export type Telemetry = {
  /** Undefined: no traces. */
  readonly spans: Spans | undefined;
  /** Undefined: no metrics. */
  readonly serverCall: CallEnded | undefined;
  /** Of calls to the server at this address. */
  readonly clientCall: ((address: string) => CallEnded) | undefined;
  /** How many spans could not be told, for want of room or of a collector. */
  readonly lostSpans: () => number;
  /** How often the metrics could not. What they count is told the next time. */
  readonly lostExports: () => number;
  /** Tells what is still to be told, as far as that is possible in a moment. */
  readonly close: () => Promise<void>;
};

/** Of this program. */
export type Teller = { readonly serviceName: string; readonly version: string };
