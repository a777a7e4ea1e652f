import { format } from "node:util";
import { setLogger } from "@grpc/grpc-js";

/**
 * Takes what grpc-js has to say, in this whole process. It would write it to standard error by itself, between the lines of the log and
 * with what a peer has sent as it was sent.
 */
export function takeGrpcLog(say: (text: string) => void): void {
  setLogger({ error: (...parts: readonly unknown[]) => say(format(...parts)) });
}
