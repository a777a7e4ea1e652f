import { type ServerError, Status } from "nice-grpc-common";
import { RichServerError } from "nice-grpc-error-details";
import type { Audit } from "../access/audit.ts";
import { auditedMethods } from "../access/core/audited.ts";
import type { Principal } from "../kernel/principal.ts";
import { InvalidMessage } from "./validation.ts";

/** How a call has ended. */
type Ended = {
  readonly path: string;
  /** Undefined: of a stream. */
  readonly request: unknown;
  readonly context: {
    readonly principal: Principal;
    readonly peer: string;
    readonly log: { readonly requestId: string };
    readonly deniedIds?: readonly string[] | undefined;
  };
  readonly code: Status;
  /** What its caller was told, if it has failed. */
  readonly failure: ServerError | undefined;
};

export type TellAudit = (ended: Ended) => void;

/** Of each call, what an audit log has of it: that it was denied, or what it has changed. Of most calls, nothing. */
export const auditOf =
  (audit: Audit): TellAudit =>
  ({ path, request, context, code, failure }) => {
    const isDenied = code === Status.UNAUTHENTICATED || code === Status.PERMISSION_DENIED;
    const { deniedIds = [] } = context;
    if (!isDenied && deniedIds.length === 0 && !auditedMethods.has(path)) return;
    const fields = request instanceof InvalidMessage || typeof request !== "object" || request === null ? {} : request;
    if (!isDenied && "dryRun" in fields && fields.dryRun === true) return;
    const call = {
      method: path.slice(1),
      principal: context.principal.name,
      address: context.peer,
      call: context.log.requestId,
      about: { ...aboutOf(fields), ...(isDenied && failure && infoOf(failure)?.metadata) },
    };
    if (!isDenied && deniedIds.length > 0) {
      // The call has been answered, and each of these in its answer.
      const about = { ...call.about, denied: deniedIds.length, workflow_ids: deniedIds };
      audit.denied({ ...call, about }, { code: Status[Status.PERMISSION_DENIED], error: "PERMISSION_DENIED" });
      return;
    }
    const error = failure && infoOf(failure)?.reason;
    const outcome = { code: Status[code], ...(error !== undefined && { error }) };
    if (isDenied) audit.denied(call, outcome);
    else audit.changed(call, outcome);
  };

type Info = { readonly reason: string; readonly metadata: Readonly<Record<string, string>> };

const infoOf = (failure: ServerError): Info | undefined =>
  failure instanceof RichServerError
    ? (failure.extra.find((detail) => detail.$type === "google.rpc.ErrorInfo") as Info | undefined)
    : undefined;

/** Names, and why: whatever else a request has is nobody's business here. */
const told = [
  "workflowId",
  "workflowType",
  "bulkOperationId",
  "transactionId",
  "participantId",
  "sink",
  "ruleId",
  "version",
  "kind",
  "name",
  "revision",
  "expectedRevision",
  "outcome",
  "filter",
  "freeIds",
  "acrossPurged",
  "fromSequence",
  "toSequence",
  "requestId",
  "requestedBy",
  "reason",
] as const;

function aboutOf(request: object): Readonly<Record<string, string | number | boolean>> {
  const fields = request as Readonly<Record<string, unknown>>;
  const about: Record<string, string | number | boolean> = {};
  for (const field of told) {
    const value = fields[field];
    if (typeof value === "bigint") about[nameOf(field)] = String(value);
    else if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      if (value !== "" && value !== 0 && value !== false) about[nameOf(field)] = value;
    }
  }
  const item = fields["item"] as { readonly $case?: string; readonly value?: { readonly name?: string } } | undefined;
  if (item?.$case !== undefined) Object.assign(about, { kind: item.$case, name: item.value?.name ?? "" });
  for (const list of ["rules", "facts", "workflowTypes", "tests", "workflows", "items"]) {
    const items = fields[list];
    if (Array.isArray(items) && items.length > 0) about[nameOf(list)] = items.length;
  }
  return about;
}

/** As the contract has it. */
const nameOf = (field: string): string => field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
