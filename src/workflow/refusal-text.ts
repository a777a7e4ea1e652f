import { assert } from "../kernel/assert.ts";
import { firstCharacters } from "../kernel/text.ts";
import type { ManagerError, MovesError } from "./errors.ts";

/** As the contract has it for `Vote.reason` and for the `reason` of an event. */
const refusalLengthMax = 1000;

/** As the contract names it. */
export const reasonOf = ({ type }: Pick<ManagerError, "type">): string => type.toUpperCase().replaceAll("-", "_");

/** For who is told why a move was refused, and is not its caller: the reason as in the contract, and what rules have said. */
export function refusalText(error: ManagerError): string {
  const reason = reasonOf(error);
  if (error.type === "in-transition") return `${reason}: held by transaction ${error.transactionId}`;
  const what = refusalWords(error);
  return what === undefined ? reason : firstCharacters(`${reason}: ${what}`, refusalLengthMax);
}

function refusalWords(error: ManagerError): string | undefined {
  switch (error.type) {
    case "rule-denied":
      return error.violations.map(({ ruleId, message }) => `${ruleId}: ${message}`).join("; ");
    case "recoveries-exhausted":
      return `it was recovered ${error.retryCount} times, and its policy allows ${error.maxAttempts}`;
    case "invalid-transition":
      return `${error.from} cannot go to ${error.to}`;
    case "predicate-logic-refused":
      return error.refusal.cause;
    default:
      return undefined;
  }
}

/** The same of moves that were to be made together: of the first that was refused, by name if there are others. */
export function refusalTextOfMoves(error: MovesError): string {
  if (error.type !== "items-refused") return refusalText(error);
  const [first] = error.errors.filter((each) => each !== undefined);
  assert(first !== undefined, "what is refused has a reason");
  return error.errors.length === 1 || !("workflowId" in first)
    ? refusalText(first)
    : firstCharacters(`workflow ${first.workflowId}: ${refusalText(first)}`, refusalLengthMax);
}
