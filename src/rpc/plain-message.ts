import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

type Fields = Readonly<Record<string, unknown>>;

type Convert = (value: never) => unknown;

/**
 * From a message as protobuf-es decodes it to what the generated types say: what the generated decoder would have made of the same
 * bytes. So they are decoded once, and what is handed on is what was checked.
 */
export function plainMessage(descriptor: DescMessage): (message: object) => object {
  const members = descriptor.members.map((member) => ({ name: member.localName, convert: memberConverter(member) }));
  return (message) => {
    const plain: Record<string, unknown> = {};
    for (const { name, convert } of members) plain[name] = convert((message as Fields)[name] as never);
    return plain;
  };
}

function memberConverter(member: DescField | DescOneof): Convert {
  if (member.kind === "oneof") return oneofConverter(member);
  const convert = valueConverter(member);
  if (member.fieldKind === "map") throw new Error(`${member}: no request has a map yet`);
  if (member.fieldKind === "list") return (values: readonly never[]) => values.map(convert);
  return (value) => (value === undefined ? undefined : convert(value));
}

function oneofConverter({ fields }: DescOneof): Convert {
  const converters = new Map(fields.map((field) => [field.localName, valueConverter(field)]));
  return (chosen: { readonly case: string | undefined; readonly value: never }) => {
    const convert = converters.get(chosen.case ?? "");
    return convert && { $case: chosen.case, value: convert(chosen.value) };
  };
}

function valueConverter(field: DescField): Convert {
  if (field.enum !== undefined) {
    const { value: values } = field.enum;
    return (number: number) => values[number]?.name;
  }
  switch (field.message?.typeName) {
    case undefined:
      // A copy: the bytes decoded from may be those of a whole large message.
      return (value: unknown) => (value instanceof Uint8Array ? Buffer.from(value) : value);
    case "google.protobuf.Struct":
      return (json: unknown) => json;
    case "google.protobuf.Timestamp":
      return ({ seconds, nanos }: Timestamp) => new Date(Number(seconds) * 1000 + nanos / 1e6);
    case "google.protobuf.Duration":
      return ({ seconds, nanos }: Duration) => ({ seconds, nanos });
    default:
      return plainMessage(field.message as DescMessage) as Convert;
  }
}
