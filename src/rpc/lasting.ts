import { registry } from "./descriptors.ts";
import { isLongPoll } from "./long-polls.ts";

/** What is open for as long as its caller wants, and what waits on purpose. `path`: of the method, as gRPC has it. */
export const lasts = (path: string): boolean => lasting.has(path) || isLongPoll(path);

const lasting = new Set(
  [...registry].flatMap((each) =>
    each.kind === "service"
      ? each.methods.filter(({ methodKind }) => methodKind !== "unary").map(({ name }) => `/${each.typeName}/${name}`)
      : [],
  ),
);
