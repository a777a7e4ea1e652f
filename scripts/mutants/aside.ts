import { bare, calleeOf, type Node } from "./syntax.ts";

const logMethods = new Set(["trace", "debug", "info", "warn", "error", "fatal"]);
const loggers = /^(log|logger|seldom|console)$/i;

/** What is logged is for people, and what is asserted fails only where something else is wrong already. */
export function isAside(node: Node): boolean {
  const call = bare(node);
  if (call.type !== "CallExpression") return false;
  const { on, name } = calleeOf(call);
  if (on === "") return name.startsWith("assert") || name === "unreachable";
  return logMethods.has(name) && loggers.test(on);
}
