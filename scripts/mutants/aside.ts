import { bare, calleeOf, type Node, nodeAt, nodesAt } from "./syntax.ts";

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

/** Whether something is logged, or asserted, is aside as well, and so is what is declared for that. */
export function isAboutAside(node: Node): boolean {
  if (node.type !== "IfStatement" || nodeAt(node, "alternate") !== undefined) return false;
  const consequent = nodeAt(node, "consequent");
  const statements = consequent?.type === "BlockStatement" ? nodesAt(consequent, "body") : [consequent];
  const said = statements.filter((statement) => statement?.type !== "VariableDeclaration");
  return said.length > 0 && said.every(isAsideStatement);
}

function isAsideStatement(statement: Node | undefined): boolean {
  const expression = statement?.type === "ExpressionStatement" ? nodeAt(statement, "expression") : undefined;
  return expression !== undefined && isAside(expression);
}
