import {
  type CelFunc,
  type CelList,
  type CelMap,
  CelScalar,
  type CelValue,
  celFunc,
  celList,
  isCelMap,
  listType,
} from "@bufbuild/cel";
import { charge, isWithin } from "../budget.ts";
import { isContainer, MapBuilder } from "../maps.ts";
import { heldBy } from "../optional.ts";
import { demanded } from "./optionals.ts";

const { BOOL, DYN, INT, STRING } = CelScalar;

/** The elements that a loop has collected, by the list that shows them. */
const collected = new WeakMap<CelList, CelValue[]>();

/** What it has collected as a map. */
const builders = new WeakMap<CelMap, MapBuilder>();

/** What loops and map literals are made of when they are lowered. */
export const loopFunctions: readonly CelFunc[] = [
  /** Charges a whole loop before it begins: its elements times the nodes evaluated for each. */
  celFunc("@range", [DYN, INT], DYN, (range, nodesPerElement) => {
    if (isContainer(range)) charge(range.size * Number(nodesPerElement));
    return range;
  }),
  /** For two variables: what the loop goes through, as pairs. */
  celFunc("@pairs", [DYN], DYN, (range) => {
    if (!isContainer(range)) return range;
    const pairs: Iterable<[CelValue, CelValue]> = isCelMap(range) ? range : [...range].map((each, at) => [BigInt(at), each]);
    return celList([...pairs].map((pair) => celList(pair)));
  }),
  /** False ends the loop: each further element would only fail again. */
  celFunc("@within", [], BOOL, isWithin),
  celFunc("@collect", [], DYN, () => {
    const elements: CelValue[] = [];
    const list = celList(elements);
    collected.set(list, elements);
    return list;
  }),
  celFunc("@append", [DYN, DYN], DYN, (list, element) => {
    collected.get(list as CelList)?.push(element);
    return list;
  }),
  celFunc("@collectMap", [], DYN, () => {
    const builder = new MapBuilder();
    builders.set(builder.map, builder);
    return builder.map;
  }),
  celFunc("cel.@mapInsert", [DYN, DYN, DYN], DYN, (map, key, value) => {
    builders.get(map as CelMap)?.add(key, value);
    return map;
  }),
  celFunc("cel.@mapInsert", [DYN, DYN], DYN, (map, entries) => {
    if (!isCelMap(entries)) throw new Error("an entry is written as a map: {key: value}");
    charge(entries.size);
    for (const [key, value] of entries) builders.get(map as CelMap)?.add(key, value);
    return map;
  }),
  /** From its keys and values in turn, of which the marked ones are optional. */
  celFunc("@map", [listType(DYN), STRING], DYN, (list, marks) => {
    const builder = new MapBuilder();
    const parts = [...list];
    for (let at = 0; at < marks.length; at += 1) {
      const [key = null, value = null] = parts.slice(2 * at, 2 * at + 2);
      const present = marks[at] === "?" ? heldBy(demanded(value)) : value;
      if (present !== undefined) builder.add(key, present);
    }
    return builder.map;
  }),
];
