import type { IncomingHttpHeaders } from "node:http2";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { Status } from "nice-grpc-common";
import { ErrorInfo } from "nice-grpc-error-details";

/** How a call has ended. */
export type ToldStatus = { readonly code: Status; readonly message: string; readonly reason: string | undefined };

/** What headers or trailers say of it, as `statusHeaders` writes them. Undefined: nothing. */
export function toldStatus(headers: IncomingHttpHeaders): ToldStatus | undefined {
  const code = headers["grpc-status"];
  if (code === undefined) return undefined;
  const details = headers["grpc-status-details-bin"];
  return {
    code: Number(code),
    message: toldMessage(headers),
    reason: typeof details === "string" ? reasonIn(Buffer.from(details, "base64")) : undefined,
  };
}

/** gRPC has it percent-encoded. What is not so encoded stays as it is. */
export function toldMessage(headers: IncomingHttpHeaders): string {
  const text = String(headers["grpc-message"] ?? "");
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Of the ErrorInfo among the details of a google.rpc.Status. */
function reasonIn(status: Uint8Array): string | undefined {
  for (const detail of lengthDelimited(status, 3)) {
    const [type] = lengthDelimited(detail, 1);
    const [value] = lengthDelimited(detail, 2);
    if (type && value && Buffer.from(type).toString().endsWith(`/${ErrorInfo.$type}`)) return ErrorInfo.decode(value).reason;
  }
  return undefined;
}

function* lengthDelimited(message: Uint8Array, field: number): Generator<Uint8Array> {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field && wireType === WireType.LengthDelimited) yield reader.bytes();
    else reader.skip(wireType, number);
  }
}
