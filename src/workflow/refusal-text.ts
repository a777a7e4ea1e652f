import { firstCharacters } from "../kernel/text.ts";
import type { ManagerError } from "./errors.ts";

/** As the contract has it for `Vote.reason` and for the `reason` of an event. */
const refusalLengthMax = 1000;

/** For who is told why a move was refused, and is not its caller: the reason as in the contract, and what rules have said. */
export function refusalText(error: ManagerError): string {
  const reason = error.type.toUpperCase().replaceAll("-", "_");
  if (error.type === "in-transition") return `${reason}: held by transaction ${error.transactionId}`;
  if (error.type !== "rule-denied") return reason;
  const denials = error.violations.map(({ ruleId, message }) => `${ruleId}: ${message}`);
  return firstCharacters(`${reason}: ${denials.join("; ")}`, refusalLengthMax);
}
