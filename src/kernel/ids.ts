import type { Brand } from "./brand.ts";

export type WorkflowId = Brand<string, "WorkflowId">;
export type RuleId = Brand<string, "RuleId">;
export type TransactionId = Brand<string, "TransactionId">;
export type ParticipantId = Brand<string, "ParticipantId">;
export type RequestId = Brand<string, "RequestId">;
