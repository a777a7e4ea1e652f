import type { Brand } from "./brand.ts";

export type WorkflowId = Brand<string, "WorkflowId">;
export type RuleId = Brand<string, "RuleId">;
export type TransactionId = Brand<string, "TransactionId">;
export type ParticipantId = Brand<string, "ParticipantId">;
export type RequestId = Brand<string, "RequestId">;

/** Of every id that a caller chooses, request ids apart. The field rules of the contract carry the same pattern. */
export const idPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** The pattern in words. */
export const idWords = "must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit";

/** Of every request id; an empty one is none. The field rules of the contract carry the same pattern. */
export const requestIdPattern = /^\P{Cc}{0,128}$/u;

export const requestIdWords = "must be at most 128 characters, none of them a control character";
