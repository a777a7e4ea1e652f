import {
  type CelList,
  type CelMap,
  type CelUint,
  type CelValue,
  celMap,
  celType,
  isCelList,
  isCelMap,
  isCelUint,
} from "@bufbuild/cel";

type Key = string | bigint | boolean | CelUint;

const LibraryMap = celMap(new Map()).constructor as new (entries: ReadonlyMap<Key, unknown>) => CelMap;

/**
 * A map whose fields may be null, and are then present; the library's says that they are absent. It finds an unsigned key without looking
 * at all others.
 */
class ValueMap extends LibraryMap {
  readonly #entries: ReadonlyMap<Key, unknown>;
  readonly #unsigned: ReadonlyMap<bigint, CelUint> | undefined;

  constructor(entries: ReadonlyMap<Key, unknown>, unsigned: ReadonlyMap<bigint, CelUint> | undefined) {
    super(entries);
    this.#entries = entries;
    this.#unsigned = unsigned;
  }

  override get(key: unknown): CelValue | undefined {
    if (typeof key === "string" || typeof key === "boolean") {
      const value = this.#entries.get(key);
      return typeof value === "object" && value !== null ? super.get(key) : (value as CelValue | undefined);
    }
    const number = integerOf(key);
    if (number === undefined) return undefined;
    if (this.#entries.has(number)) return super.get(number as never);
    const unsigned = this.#unsigned?.get(number);
    return unsigned === undefined ? undefined : (this.#entries.get(unsigned) as CelValue);
  }

  override has(key: unknown): boolean {
    return this.get(key) !== undefined;
  }
}

/** With keys that are texts. */
export function recordOf(entries: ReadonlyMap<string, unknown>): CelMap {
  return new ValueMap(entries, undefined);
}

/** Undefined: it is no whole number. */
function integerOf(key: unknown): bigint | undefined {
  if (typeof key === "bigint") return key;
  if (typeof key === "number") return Number.isInteger(key) ? BigInt(key) : undefined;
  return isCelUint(key) ? key.value : undefined;
}

/** Builds a map whose keys are known only when it is evaluated. Equal keys are an error, also if their types differ. */
export class MapBuilder {
  readonly #entries = new Map<Key, CelValue>();
  readonly #unsigned = new Map<bigint, CelUint>();
  readonly map: CelMap = new ValueMap(this.#entries, this.#unsigned);

  add(key: CelValue, value: CelValue): void {
    if (typeof key !== "string" && typeof key !== "boolean" && integerOf(key) === undefined) {
      throw new Error(`a key of a map is a string, a bool, or an integer, not ${celType(key).name}`);
    }
    if (this.map.get(key as never) !== undefined)
      throw new Error(`the key ${isCelUint(key) ? key.value : key} stands twice in the map`);
    if (isCelUint(key)) this.#unsigned.set(key.value, key);
    this.#entries.set(typeof key === "number" ? BigInt(key) : (key as Key), value);
  }
}

export function isContainer(value: CelValue | undefined): value is CelList | CelMap {
  return isCelList(value) || isCelMap(value);
}
