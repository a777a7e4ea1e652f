import type { LogLine } from "../process.ts";

/** Knows from the logs which process holds a session of a participant id: two may use the same one. */
export function createSessionBook() {
  /** By instance id, which is fresh for each start of a process. */
  const instances = new Map<unknown, string>();
  const sessions = new Map<string, string>();

  return {
    hear(process: string, line: LogLine): void {
      const { msg, participant, sessionEpoch, instance } = line;
      if (msg === "participant started") instances.set(instance, process);
      if (msg !== "participant connected") return;
      const name = instances.get(instance) ?? String(participant);
      sessions.set(`${participant} ${sessionEpoch}`, name).set(`${participant}`, name);
    },
    /** Of the session with this number, or of the newest. */
    holder: (participantId: string, sessionEpoch?: number): string =>
      sessions.get(sessionEpoch === undefined ? participantId : `${participantId} ${sessionEpoch}`) ?? participantId,
  };
}
