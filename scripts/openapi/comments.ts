import { type AnyDesc, type DescFile, fromBinary } from "@bufbuild/protobuf";
import { type DescriptorProto, type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { descriptorFiles } from "../../src/rpc/descriptors.ts";

const comments = new WeakMap<object, string>();
const known = new WeakSet<object>();

/** What the contract says of a thing, without the slashes. */
export function commentOf(descriptor: Exclude<AnyDesc, { kind: "file" | "extension" | "oneof" }>): string {
  const file: DescFile =
    descriptor.kind === "field" || descriptor.kind === "rpc" || descriptor.kind === "enum_value"
      ? descriptor.parent.file
      : descriptor.file;
  if (!known.has(file.proto)) read(file.proto);
  known.add(file.proto);
  return comments.get(descriptor.proto) ?? "";
}

/** A comment has the path to what it stands before, in numbers of fields of descriptor.proto. */
function read(file: FileDescriptorProto): void {
  const byPath = new Map<string, string>();
  const { sourceCodeInfo } = fromBinary(FileDescriptorProtoSchema, descriptorFiles.get(file.name) ?? new Uint8Array());
  for (const { path, leadingComments } of sourceCodeInfo?.location ?? []) {
    if (leadingComments !== "") byPath.set(path.join("."), leadingComments.replaceAll(/^ /gm, "").trim());
  }
  const note = (proto: object, path: string): void => {
    const text = byPath.get(path);
    if (text !== undefined) comments.set(proto, text);
  };
  const enums = (protos: FileDescriptorProto["enumType"], path: string): void =>
    protos.forEach((proto, index) => {
      note(proto, `${path}.${index}`);
      proto.value.forEach((value, at) => {
        note(value, `${path}.${index}.2.${at}`);
      });
    });
  const message = (proto: DescriptorProto, path: string): void => {
    note(proto, path);
    proto.field.forEach((field, index) => {
      note(field, `${path}.2.${index}`);
    });
    enums(proto.enumType, `${path}.4`);
    proto.nestedType.forEach((nested, index) => {
      message(nested, `${path}.3.${index}`);
    });
  };
  file.messageType.forEach((proto, index) => {
    message(proto, `4.${index}`);
  });
  enums(file.enumType, "5");
  file.service.forEach((service, index) => {
    note(service, `6.${index}`);
    service.method.forEach((method, at) => {
      note(method, `6.${index}.2.${at}`);
    });
  });
}
