import { existsSync } from "node:fs";
import type { Config } from "../config.ts";
import type { EventSource } from "../events/ports.ts";
import { createSinks, type Sinks } from "../events/sinks.ts";
import { createWebhookTransport } from "../events/webhook.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { createSeldomLog } from "../kernel/seldom.ts";
import { filterProblem } from "../rpc/workflow/event-source.ts";
import { systemClock } from "../runtime/clock.ts";
import { purgeAnswers } from "../runtime/purge-answers.ts";
import { readSinksFile, type SinkSettings } from "../sinks-file.ts";
import { openSqliteSinkStore } from "../storage/sqlite/sink-store.ts";

import { type StartFailure, storePath, type Wiring } from "./part.ts";

export type OpenSinks = { readonly sinks: Sinks; readonly start: () => void; readonly close: () => Promise<void> };

export function readSinkSettings({ sinks: path, services }: Config): Result<readonly SinkSettings[], StartFailure> {
  if (path === undefined || !services.includes("workflow")) return ok([]);
  const settings = readSinksFile(path, process.env);
  if (!settings.ok) return err({ message: settings.error.map(({ message }) => message).join("\n") });
  const wrong = settings.value.flatMap(({ name, filter }) =>
    filterProblem(filter).map((words) => `sinks: ${path}: filter of ${name} ${words}`),
  );
  return wrong.length > 0 ? err({ message: wrong.join("\n") }) : settings;
}

/** Undefined: there are none, and were none. */
export async function openSinks(
  { config, logger, metrics, turns, loop, sinkSettings, set }: Wiring,
  source: EventSource,
): Promise<Result<OpenSinks | undefined, StartFailure>> {
  const path = storePath(config, "events");
  if (config.sinks === undefined && !existsSync(path)) return ok(undefined);
  const opened = await openSqliteSinkStore({ path, set, onFlush: metrics.flushed("events") });
  if (!opened.ok) return opened;
  const store = opened.value;
  const log = createSeldomLog(logger, systemClock.monotonicMs);
  const making = sinkSettings.map(async (setting) => {
    const { name, filter, start } = setting;
    if (setting.type === "webhook") {
      return { name, filter, start, transport: createWebhookTransport(setting.options, source.storeId, systemClock.nowMs) };
    }
    // Its library takes several MB.
    const { createNatsTransport } = await import("../events/nats.ts");
    return { name, filter, start, transport: createNatsTransport(name, setting.options, source.storeId, logger) };
  });
  const definitions = await Promise.all(making);
  const surroundings = { source, store, clock: systemClock, random: Math.random, turns, log, metrics: metrics.sinks };
  const sinks = await createSinks({ definitions, surroundings });
  metrics.sinks.observe(sinks.list);
  const stopPurging = loop.run({ job: "purge" }, () => purgeAnswers(store, { clock: systemClock, logger }));
  return ok({
    sinks,
    start: () => loop.run({ job: "sinks" }, sinks.start),
    close: async () => {
      stopPurging();
      // Also if it never came to leave.
      await sinks.stop(0);
      await store.close();
    },
  });
}
