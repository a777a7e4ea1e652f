import type { Planted } from "./fault.ts";

const effects = "src/commit/effects.ts";
const driver = "src/commit/driver.ts";
const run = "src/commit/run.ts";
const takeUp = "src/commit/take-up.ts";
const ownership = "src/commit/ownership.ts";
const admission = "src/commit/admission.ts";
const sessions = "src/commit/sessions.ts";
const inquiries = "src/commit/inquiries.ts";
const mailbox = "src/commit/mailbox.ts";
const log = "src/storage/sqlite/decision-log.ts";
const boxes = "src/commit/participant/boxes.ts";
const participant = "src/commit/participant/participant.ts";
const participantEffects = "src/commit/participant/effects.ts";
const link = "src/commit/participant/link.ts";

/** Mistakes around the cores of the coordinator and the participant. */
export const plantedInCommit: readonly Planted[] = [
  {
    name: "a decision is published before it is forced",
    file: effects,
    find: `  if (forced?.type === "persist") {\n    return force(`,
    replace: `  if (forced?.type === "persist") {\n    publish(shell, run);\n    return force(`,
  },
  {
    name: "the client is answered before the force",
    file: effects,
    find: `  const afterwards = (): void => {`,
    replace: `  for (const effect of effects) if (forced && effect.type === "reply") answer(run, ok(run.core));\n  const afterwards = (): void => {`,
  },
  {
    name: "a decision is sent before it is forced",
    file: effects,
    find: `  const afterwards = (): void => {`,
    replace: `  for (const effect of effects) if (forced && effect.type === "send") carryOut(shell, run, effect, refuse);\n  const afterwards = (): void => {`,
  },
  {
    name: "a commit that cannot be forced once is acknowledged all the same",
    file: effects,
    find: `    cannotWrite(run);\n    await pauseToWrite(shell, run, attempt);\n  }\n  return false;`,
    replace: `    return true;\n  }\n  return false;`,
  },
  {
    name: "a commit that cannot be forced 8 times is acknowledged all the same",
    file: effects,
    find: `    await pauseToWrite(shell, run, attempt);\n  }\n  return false;`,
    replace: `    await pauseToWrite(shell, run, attempt);\n    if (attempt === 8) return true;\n  }\n  return false;`,
  },
  {
    name: "the end of the run comes before the record of its end",
    file: effects,
    find: `  for (let attempt = 1; ; attempt += 1) {\n    const written = await shell.log.record(`,
    replace: `  if (isFinished(transaction)) removeRun(shell.runs, run);\n  for (let attempt = 1; ; attempt += 1) {\n    const written = await shell.log.record(`,
  },
  {
    name: "a timer is set and never fires",
    file: effects,
    find: `  else post(shell, run, timer);`,
    replace: ``,
  },
  {
    name: "a caller is told what is not durable",
    file: "src/commit/decision.ts",
    find: `  if (outcome !== undefined) return ok(run.view);\n  if (!mayAbort`,
    replace: `  if (run.core.outcome !== undefined) return ok(run.core);\n  if (outcome !== undefined) return ok(run.view);\n  if (!mayAbort`,
  },
  {
    name: "a verb that is repeated is taken for another",
    file: run,
    find: `return earlier !== undefined && earlier !== request.digest;`,
    replace: `return earlier !== undefined;`,
  },
  {
    name: "a get tells what is not durable",
    file: driver,
    find: `return fenced ? err(fenced) : ok(run.view);`,
    replace: `return fenced ? err(fenced) : ok(run.core);`,
  },
  {
    name: "an operator may forget what is not completed",
    file: driver,
    find: `if (kept !== undefined) return err(`,
    replace: `if (kept !== undefined && found.outcome === undefined) return err(`,
  },
  {
    name: "a participant is forgotten that owes",
    file: "src/commit/forget-participant.ts",
    find: `if (kept.length > 0) return`,
    replace: `if (known?.connected) return`,
  },
  {
    name: "a replaced coordinator goes on",
    file: ownership,
    find: `    endFor(conflict);\n  }`,
    replace: `  }`,
  },
  {
    name: "recovery adopts what runs",
    file: takeUp,
    find: `  if (run) return ok({ type: "running", run });`,
    replace: `  if (run && run.view.outcome === undefined) return ok({ type: "running", run });`,
  },
  {
    name: "a retry with its request id, beside the first, runs again",
    file: admission,
    find: `const known = key && runs.byRequest.get(key.id);`,
    replace: `const known = undefined as ReturnType<typeof runs.byRequest.get>;`,
  },
  {
    name: "a retry with its request id, after the first, runs again",
    file: admission,
    find: `  if (!stored && !refusal) return startRun(shell, request);`,
    replace: `  if (!refusal) return startRun(shell, request);`,
  },
  {
    name: "a caller that leaves aborts it for one that is about to wait",
    focus: "leavers",
    file: "src/commit/runs.ts",
    find: `(requested?.comingCount ?? 0) > 0`,
    replace: `requested === null`,
  },
  {
    name: "what a participant asks about in its Hello is not answered, and neither what it asks later",
    file: inquiries,
    find: `  sessions.send(participantId, { type: "decision", transactionId, outcome, coordinatorEpoch, inReply: true });`,
    replace: `  if (outcome === "committed") sessions.send(participantId, { type: "decision", transactionId, outcome, coordinatorEpoch, inReply: true });`,
  },
  {
    name: "an older session of a participant is heard on",
    file: sessions,
    find: `    older?.finish(supersededBy(sessionEpoch));`,
    replace: ``,
  },
  {
    name: "a session is opened without the log",
    file: sessions,
    find: `    if (!opened.ok) {`,
    replace: `    if (!opened.ok && opened.error.type !== "conflict") {`,
  },
  {
    name: "a watcher misses the end",
    file: "src/commit/publish.ts",
    find: `  changes.tell(after);`,
    replace: `  if (after.phase !== "COMPLETED") changes.tell(after);`,
  },
  {
    name: "an input is handled while the one before is being written",
    file: mailbox,
    find: `          pending.then(goOn, (error: unknown) => fail(error, item));\n          return;`,
    replace: `          pending.then(goOn, (error: unknown) => fail(error, item));`,
  },
  {
    name: "the fence is checked in a write of its own",
    file: log,
    find: `const applied = await engine.apply([guard, statement]);`,
    replace: `const checked = await engine.apply([guard]);
    const applied = checked.ok ? await engine.apply([{ sql: "SELECT 1", params: [], returning: true }, statement]) : checked;`,
  },
  {
    name: "a vote before its promise is durable",
    file: participantEffects,
    find: `      await untilDone(surroundings, box, "the participant log cannot write", storageBackoff, () => log.persist(effect.record));`,
    replace: `      void untilDone(surroundings, box, "the participant log cannot write", storageBackoff, () => log.persist(effect.record));`,
  },
  {
    name: "an effect does not wait for the one before",
    file: boxes,
    find: `      await carryOut(surroundings, box, effect,`,
    replace: `      void carryOut(surroundings, box, effect,`,
  },
  {
    name: "a commit is acknowledged before the resource has committed",
    file: participantEffects,
    find: `  const answered = await untilDone(surroundings, about, "the resource cannot commit", resourceBackoff, async () => ({
    promise: await traced(surroundings, "commit", { ...about, payload, logId: log.id }, (work) => resource.commit(work)),
  }));`,
    replace: `  const answered: { promise: undefined | { lost: string } } | undefined = { promise: undefined };
  void untilDone(surroundings, about, "the resource cannot commit", resourceBackoff, async () => ({
    promise: await resource.commit({ ...about, payload, logId: log.id }),
  }));`,
  },
  {
    name: "a commit that fails is given up",
    file: "src/commit/participant/until-done.ts",
    find: `await pause(context, backoffMs(backoff, attempt, random()));`,
    replace: `if (subject !== undefined) return {} as T;`,
  },
  {
    name: "what fails to prepare is not undone",
    file: participantEffects,
    find: `    await abortResource(surroundings, work, work.payload);\n    return {`,
    replace: `    return {`,
  },
  {
    name: "a transaction is not looked for in the log",
    file: boxes,
    find: `      loaded: false,`,
    replace: `      loaded: true,`,
  },
  {
    name: "what was promised is not loaded after a crash",
    file: participant,
    find: `      boxes.load(record);\n      boxes.post(record.transactionId, { type: "recover", nowMs: clock.nowMs() });`,
    replace: `      if (record.transactionId === undefined) boxes.load(record);`,
  },
  {
    name: "what the resource holds without a record is left",
    file: participant,
    find: `    await reconcile({ ...context, log, resource });`,
    replace: `    if (records.length > 1000) await reconcile({ ...context, log, resource });`,
  },
  {
    name: "silence ends no session at the participant",
    file: link,
    find: `        if (silentMs >= limits.sessionTimeoutMs) {`,
    replace: `        if (silentMs >= 1000 * limits.sessionTimeoutMs) {`,
  },
];
