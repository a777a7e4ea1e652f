import type { Clock } from "../../kernel/clock.ts";
import type { ParticipantId } from "../../kernel/ids.ts";
import type { SeldomLog } from "../../kernel/seldom.ts";
import type { Spans } from "../../kernel/spans.ts";
import type { EndSignal } from "../ends.ts";
import type { Logger, Random, Trace } from "../ports.ts";
import type { End } from "./end.ts";

/** What every part of one participant is given. */
export type Context = {
  readonly participantId: ParticipantId;
  readonly instanceId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** For what a coordinator can cause as often as it likes. */
  readonly seldom: SeldomLog;
  readonly trace: Trace | undefined;
  /** Undefined: no trace of OpenTelemetry is written down. */
  readonly spans?: Spans | undefined;
  /** Aborts when the participant has closed. */
  readonly signal: EndSignal<End>;
};
