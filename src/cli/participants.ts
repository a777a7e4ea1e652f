import { Command } from "commander";
import { Participant } from "../gen/concord/commit/v1/transaction.ts";
import { addClientOptions, type ClientOptions, withClients } from "./client.ts";
import { jsonText, print, tableText, timeText } from "./output.ts";

export function participantsCommand(): Command {
  const command = new Command("participants").description("list the participants that the coordinator knows");
  return addClientOptions(command).action((options: ClientOptions) =>
    withClients(options, async ({ commits }) => {
      const found: Participant[] = [];
      let pageToken = "";
      do {
        const answer = await commits.listParticipants({ pageToken }, { deadline: options.timeout });
        found.push(...answer.participants);
        pageToken = answer.nextPageToken;
      } while (pageToken !== "");
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
        String(participant.unacknowledged),
      ]);
      print(tableText(["participant", "connected", "session", "last seen", "peer", "unacknowledged"], rows));
    }),
  );
}
