import { ClientError, Status } from "nice-grpc";
import { clientFailure } from "../../rpc/errors.ts";
import type { SecurityOptions } from "../security.ts";
import { whyUnanswered } from "../unanswered.ts";

/** A question that was not answered: who was asked, and why not. What it was about is not known, which is another thing than that it is well. */
export type Silence = {
  readonly type: "silence";
  readonly error: ClientError;
  readonly address: string;
  readonly why: string;
};

export type Denied = { readonly type: "denied"; readonly error: ClientError; readonly why: string };

export type Asked<Answer> =
  | { readonly type: "answer"; readonly answer: Answer }
  /** There is none of this id. */
  | { readonly type: "missing" }
  /** Its caller may not see it. */
  | Denied
  | Silence;

export async function ask<Answer>(
  call: Promise<Answer>,
  address: string,
  options: SecurityOptions & { readonly timeout: number },
): Promise<Asked<Answer>> {
  try {
    return { type: "answer", answer: await call };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const failure = clientFailure(error);
    if (/_NOT_FOUND$|^WORKFLOW_PURGED$/.test(failure.reason ?? "")) return { type: "missing" };
    // It is about what was asked, and not about who was.
    if (failure.code === Status.INVALID_ARGUMENT) throw error;
    if (failure.code === Status.PERMISSION_DENIED) return { type: "denied", error, why: failure.message };
    const noConnection = failure.code === Status.UNAVAILABLE && failure.reason === undefined;
    const why = await whyUnanswered(failure, address, options.timeout, options);
    return { type: "silence", error, address, why: why ?? (noConnection ? "no connection" : failure.message) };
  }
}

export const coordinatorIsSilent = ({ address, why }: Silence): string =>
  `the coordinator at ${address} does not answer (${why})`;

export const managerIsSilent = ({ address, why }: Silence): string =>
  `the workflow manager at ${address} does not answer (${why})`;

/** One line for those who may not see it. */
export const unseenOf = (what: string, asked: Asked<unknown>): readonly string[] =>
  asked.type === "denied" ? [`${what}: ${asked.why}`] : [];
