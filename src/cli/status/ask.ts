import { ClientError, Status } from "nice-grpc";
import type { Participant } from "../../gen/concord/commit/v1/transaction.ts";
import { TwoPhaseCommitDefinition } from "../../gen/concord/commit/v1/two_phase_commit.ts";
import { type GetServerStatusResponse, ServerStatusDefinition } from "../../gen/concord/server/v1/server_status.ts";
import type { Sink } from "../../gen/concord/workflow/v1/sink.ts";
import { WorkflowServiceDefinition } from "../../gen/concord/workflow/v1/workflow_service.ts";
import { clientFactory, openChannel } from "../../rpc/clients/channel.ts";
import { clientFailure } from "../../rpc/errors.ts";
import { connect } from "../client.ts";
import { type SecurityOptions, securityOf } from "../security.ts";
import { whyUnanswered } from "../unanswered.ts";

/** One process, as it answers. */
export type Asked = {
  readonly address: string;
  readonly status: GetServerStatusResponse | undefined;
  /** Why it, or a part of it, has not answered. */
  readonly failure: string | undefined;
  /** The failure is an answer of Concord: somebody is there, and has said why not. */
  readonly refused: boolean;
  /** Of the services that it serves. */
  readonly sinks: readonly Sink[];
  readonly participants: readonly Participant[];
  /** What its caller may not see, and why not. */
  readonly unseen: readonly string[];
};

/** More would not be one screen; `concord participants` has all. */
const pageSize = 1000;

/** Resolves in any case, within the time. */
export async function askProcess(address: string, timeoutMs: number, options: SecurityOptions): Promise<Asked> {
  const channel = openChannel(address, securityOf(options));
  const call = { deadline: timeoutMs };
  const unseen: string[] = [];
  async function seen<Answer>(what: string, asked: Promise<Answer>): Promise<Answer | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (!(error instanceof ClientError && error.code === Status.PERMISSION_DENIED)) throw error;
      unseen.push(`${what}: ${clientFailure(error).message}`);
      return undefined;
    }
  }
  let status: GetServerStatusResponse | undefined;
  let [sinks, participants]: [readonly Sink[], readonly Participant[]] = [[], []];
  try {
    status = await seen(`how ${address} is`, clientFactory.create(ServerStatusDefinition, channel).getServerStatus({}, call));
    const services = status?.services ?? [];
    const serves = (name: string): boolean => services.some((each) => each.name === name && each.serving);
    const { workflows, commits } = connect(channel);
    if (serves(WorkflowServiceDefinition.fullName))
      sinks = (await seen(`sinks of ${address}`, workflows.listSinks({ pageSize }, call)))?.sinks ?? [];
    if (serves(TwoPhaseCommitDefinition.fullName))
      participants = (await seen(`participants of ${address}`, commits.listParticipants({ pageSize }, call)))?.participants ?? [];
    return { address, status, failure: undefined, refused: false, sinks, participants, unseen };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const failure = clientFailure(error);
    const refused = failure.reason !== undefined;
    const silence = failure.code === Status.UNAVAILABLE && !refused ? "nobody answers" : failure.message;
    const why = (await whyUnanswered(failure, address, timeoutMs, options)) ?? `${address}: ${silence}`;
    return { address, status, failure: why, refused, sinks, participants, unseen };
  } finally {
    channel.close();
  }
}
