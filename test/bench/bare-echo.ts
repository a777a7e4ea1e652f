import { Server, ServerCredentials } from "@grpc/grpc-js";
import { bareMethod } from "./shape.ts";

/** An empty call on grpc-js without anything before it: the limit of the stack. Resolves to its port, and to how often it was called. */
export async function serveBareEcho(): Promise<{ readonly port: number; readonly calls: () => number }> {
  let calls = 0;
  const nothing = Buffer.alloc(0);
  const server = new Server({ "grpc.enable_channelz": 0 });
  server.addService(
    {
      echo: {
        path: `/${bareMethod}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: () => nothing,
        requestDeserialize: () => nothing,
        responseSerialize: () => nothing,
        responseDeserialize: () => nothing,
      },
    },
    {
      echo: (_call: unknown, answer: (error: null, response: Buffer) => void) => {
        calls += 1;
        answer(null, nothing);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return { port, calls: () => calls };
}
