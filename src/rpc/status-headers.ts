import type { OutgoingHttpHeaders } from "node:http2";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Metadata } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo, RetryInfo, type RichServerError } from "nice-grpc-error-details";

/** The headers of an answer that is nothing but this failure, as gRPC has them: for what is refused before grpc-js hears of it. */
export function statusHeaders(failure: RichServerError): OutgoingHttpHeaders {
  return {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": failure.code,
    "grpc-message": encodeURI(failure.details),
    "grpc-status-details-bin": Buffer.from(encode(failure)).toString("base64"),
  };
}

/** The status that grpc-js sends for this failure: for what is refused before nice-grpc hears of it. */
export function callStatus(failure: RichServerError) {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(encode(failure)));
  return { code: failure.code, details: failure.details, metadata };
}

const tag = (field: number, wireType: WireType): number => (field << 3) | wireType;
const bytes = WireType.LengthDelimited;

/** google.rpc.Status: code, message, and details, each a google.protobuf.Any of type_url and value. */
function encode({ code, details, extra }: RichServerError): Uint8Array {
  const writer = new BinaryWriter().uint32(tag(1, WireType.Varint)).int32(code).uint32(tag(2, bytes)).string(details);
  for (const detail of extra) {
    const type = [BadRequest, ErrorInfo, RetryInfo].find(({ $type }) => $type === detail.$type);
    if (type === undefined) throw new Error(`no encoder of ${detail.$type} here yet`);
    writer.uint32(tag(3, bytes)).fork();
    writer.uint32(tag(1, bytes)).string(`type.googleapis.com/${detail.$type}`);
    writer.uint32(tag(2, bytes)).bytes(type.encode(detail as never).finish());
    writer.join();
  }
  return writer.finish();
}
