import { Command } from "commander";
import { Participant } from "../gen/concord/commit/v1/transaction.ts";
import { ForgetParticipantResponse } from "../gen/concord/commit/v1/two_phase_commit.ts";
import { idArgument } from "./arguments.ts";
import {
  addClientOptions,
  addMutationOptions,
  addShowOptions,
  type ClientOptions,
  type Mutation,
  readPages,
  withChange,
  withClients,
} from "./client.ts";
import { jsonText, print, tableLines, timeText } from "./output.ts";

export function participantsCommand(): Command {
  const command = new Command("participants").description("list the participants that the coordinator knows, or forget one");
  command.addCommand(listCommand(), { isDefault: true });
  command.addCommand(forgetCommand());
  return command;
}

function listCommand(): Command {
  const command = new Command("list").description("list them, with what they owe");
  return addShowOptions(command).action((options: ClientOptions) =>
    withClients(options, async ({ commits }) => {
      const { items: found } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
        const answer = await commits.listParticipants(page, { deadline: options.timeout });
        return [answer.participants, answer.nextPageToken];
      });
      if (options.output !== "table") {
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

function forgetCommand(): Command {
  const command = new Command("forget")
    .description("forget a participant that is away and owes nothing; one that comes back is new")
    .argument("<id>", "its name", idArgument);
  return addClientOptions(addMutationOptions(command, "by hand")).action(
    (participantId: string, options: ClientOptions & Mutation) =>
      withChange(options, ["concord participants"], async ({ commits }, { requestId, call }) => {
        const request = { participantId, requestId, reason: options.reason, requestedBy: options.by };
        const answer = await commits.forgetParticipant(request, call);
        if (options.output !== "table") {
          print(jsonText("concord.commit.v1.ForgetParticipantResponse", ForgetParticipantResponse, answer));
          return;
        }
        const { participant } = answer;
        print(
          participant === undefined
            ? `${participantId} is not known`
            : `forgotten: ${participantId}, last seen ${timeText(participant.lastSeenAt)}, session ${participant.sessionEpoch}`,
        );
      }),
  );
}
