import { fromBinary, toJson } from "@bufbuild/protobuf";
import { messageType, registry } from "./descriptors.ts";

type MessageType<Message> = { encode(message: Message): { finish(): Uint8Array } };

/** The standard JSON form of a message: what grpcurl prints, one line a message. */
export function jsonText<Message>(typeName: string, type: MessageType<Message>, message: Message): string {
  const descriptor = messageType(typeName);
  return JSON.stringify(toJson(descriptor, fromBinary(descriptor, type.encode(message).finish()), { registry }));
}
