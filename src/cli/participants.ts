import { Command } from "commander";
import { Participant } from "../gen/concord/commit/v1/transaction.ts";
import { addClientOptions, type ClientOptions, readPages, withClients } from "./client.ts";
import { jsonText, print, tableLines, timeText } from "./output.ts";

export function participantsCommand(): Command {
  const command = new Command("participants").description("list the participants that the coordinator knows");
  return addClientOptions(command).action((options: ClientOptions) =>
    withClients(options, async ({ commits }) => {
      const { items: found } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
        const answer = await commits.listParticipants(page, { deadline: options.timeout });
        return [answer.participants, answer.nextPageToken];
      });
      if (options.output === "json") {
        for (const participant of found) print(jsonText("concord.commit.v1.Participant", Participant, participant));
        return;
      }
      const rows = found.map((participant) => [
        participant.participantId,
        participant.connected ? "yes" : "no",
        String(participant.sessionEpoch),
        timeText(participant.lastSeenAt),
        participant.peer,
        String(participant.inDoubt),
        String(participant.unacknowledged),
        timeText(participant.oldestUnacknowledgedAt),
      ]);
      print(
        tableLines(
          ["participant", "connected", "session", "last seen", "peer", "in doubt", "unacknowledged", "oldest decided"],
          rows,
        ),
      );
    }),
  );
}
