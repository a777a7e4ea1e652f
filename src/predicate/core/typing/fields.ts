import { nearest } from "../../../kernel/nearest.ts";
import { err, ok, type Result } from "../../../kernel/result.ts";
import { functionNames, overloadsOf } from "./overloads.ts";
import { aType, fits, isMap, isOpen, keysOf, mayEqual, optionalOf, type Type, types, valuesOf } from "./type.ts";

type Unknown = { readonly message: string; readonly hint?: () => string };

/** The type of a field, of what is called `name` if it has a name. */
export function fieldOf(type: Type, field: string, name: string | undefined): Result<Type, Unknown> {
  switch (type.kind) {
    case "dyn":
    case "none":
      return ok(types.dyn);
    case "map":
      return fits(types.string, type.key) ? ok(type.value) : err({ message: `a key of ${aType(type)} is never a string` });
    case "record":
      return Object.hasOwn(type.fields, field) ? ok(type.fields[field] ?? types.dyn) : otherField(type, field, name);
    case "optional": {
      const within = fieldOf(type.value, field, name);
      return within.ok ? ok(optionalOf(within.value)) : within;
    }
    case "timestamp":
    case "duration":
      if (field === "seconds" || field === "nanos") return ok(types.int);
      return err({ message: `${aType(type)} has no field "${field}"`, hint: () => methodHint(type, field) });
    default:
      return err({ message: `${aType(type)} has no fields` });
  }
}

function otherField(
  { fields, rest }: Extract<Type, { kind: "record" }>,
  field: string,
  name: string | undefined,
): Result<Type, Unknown> {
  if (rest !== undefined) return ok(rest);
  const known = Object.keys(fields);
  return err({
    message: `unknown field "${field}"${name === undefined ? "" : ` of ${name}`}`,
    hint: () => {
      const meant = nearest(field, known);
      return meant === undefined ? (known.length === 0 ? "" : `; known: ${known.join(", ")}`) : `; did you mean "${meant}"?`;
    },
  });
}

/** `now.hours` is `now.getHours()`. */
function methodHint(type: Type, field: string): string {
  const methods = functionNames.filter(
    (name) => name.startsWith("get") && overloadsOf(name).some(({ target }) => target?.kind === type.kind),
  );
  const meant = nearest(`get${field}`, methods);
  return meant === undefined ? "" : `; write ${meant}()`;
}

const index: readonly Type["kind"][] = ["int", "uint", "double"];

/** The type of `a[b]`. */
export function itemOf(type: Type, key: Type, name: string | undefined): Result<Type, string> {
  if (isOpen(type)) return ok(types.dyn);
  if (type.kind === "list") {
    return isOpen(key) || index.includes(key.kind)
      ? ok(type.element)
      : err(`the elements of a list have numbers, from 0 on, not ${aType(key)}`);
  }
  if (type.kind === "optional") {
    const within = itemOf(type.value, key, name);
    return within.ok ? ok(optionalOf(within.value)) : within;
  }
  if (!isMap(type)) return err(`${aType(type)} has no elements`);
  if (mayEqual(key, keysOf(type))) return ok(valuesOf(type));
  if (type.kind === "map") return err(`a key of ${aType(type)} is never ${aType(key)}`);
  return err(`${name ?? "a map"} has its fields by name, such as ${name ?? "x"}["${Object.keys(type.fields)[0]}"]`);
}
