// Many watches of events, in one process: raw HTTP/2 that counts messages and reads none, so that it is as cheap as a watcher can be. Says "ready"
// when all of them watch, and how many events each has got when it is asked.
import { type ClientHttp2Session, connect } from "node:http2";
import { WatchPosition, WatchWorkflowEventsRequest } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { createFrames } from "./frames.ts";
import { workflowName } from "./shape.ts";

const [port = "", count = "1", of = "all"] = process.argv.slice(2);

/** As many as one connection may have, and some to spare. */
const watchesPerConnection = 500;

/** A watcher that always reads needs no flow control. */
const windowBytes = 64 * 1024 * 1024;

const path = "/concord.workflow.v1.WorkflowService/WatchWorkflowEvents";
const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };

const events = new Uint32Array(Number(count));
let watching = 0;

function open(): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: windowBytes } });
  return new Promise((resolve, reject) => {
    session.once("error", reject);
    session.once("connect", () => {
      session.setLocalWindowSize(windowBytes);
      resolve(session);
    });
  });
}

function watch(session: ClientHttp2Session, index: number): void {
  const workflowId = of === "all" ? "" : workflowName(index);
  const start = { $case: "position", value: WatchPosition.NOW } as const;
  const request = WatchWorkflowEventsRequest.encode(WatchWorkflowEventsRequest.fromPartial({ workflowId, start })).finish();
  const frame = Buffer.alloc(5 + request.length);
  frame.writeUInt32BE(request.length, 1);
  frame.set(request, 5);
  const stream = session.request(headers, { endStream: false });
  stream.on("error", fail);
  stream.on("end", () => fail(new Error("a watch has ended")));
  stream.end(frame);
  let isWatching = false;
  const read = createFrames((firstByte) => {
    if (firstByte === eventTag) events[index] = (events[index] ?? 0) + 1;
    // The first message of a watch says where it begins.
    if (isWatching) return;
    isWatching = true;
    watching += 1;
    if (watching === events.length) process.send?.("ready");
  });
  stream.on("data", read);
}

/** Of `WatchWorkflowEventsResponse.event`, field 1; progress is field 2. */
const eventTag = 0x0a;

function fail(error: Error): void {
  console.error(error);
  process.exit(1);
}

process.once("disconnect", () => process.exit());
process.on("message", () => process.send?.({ events: [...events] }));
for (let first = 0; first < events.length; first += watchesPerConnection) {
  const session = await open();
  for (let index = first; index < Math.min(events.length, first + watchesPerConnection); index += 1) watch(session, index);
}
