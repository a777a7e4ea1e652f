// What can be seen of dependencies without asking anybody.
import { isLike, isLikeOne } from "../../src/access/core/scope.ts";

/** What is read of an entry of package-lock.json; the root has the name "". */
type Entry = {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
} & Partial<Record<Needs, Readonly<Record<string, string>>>>;

type Needs = "dependencies" | "devDependencies" | "optionalDependencies";

export type Lock = { readonly packages: Readonly<Record<string, Entry>> };

export type Manifest = Pick<Entry, "dependencies" | "devDependencies">;

/** Versions whose bytes are known, of whichever registry: a host's name would send everybody there. */
export const entryProblems = ({ packages }: Lock): readonly string[] =>
  entriesOf(packages).flatMap(([place, { version, resolved, integrity = "", link }]) => [
    ...(isExact(version) ? [] : [`${place} has no exact version`]),
    ...(/^sha512-[\w+/]{86}==$/.test(integrity) ? [] : [`${place} has no integrity (SHA-512): its bytes could be any`]),
    ...(resolved === undefined && !link
      ? []
      : [
          `${place} says where it comes from: it must be whichever registry is asked; .npmrc has omit-lockfile-registry-resolved`,
        ]),
  ]);

/** What is needed and has no entry: what is optional, for other platforms than the one on which the file was made, is easily lost. */
export const missing = ({ packages }: Lock): readonly string[] =>
  Object.entries(packages).flatMap(([place, entry]) =>
    (["dependencies", "devDependencies", "optionalDependencies"] as const).flatMap((needs) =>
      Object.keys(entry[needs] ?? {})
        .filter((name) => !isFound(packages, place, name))
        .map((name) => `${place || "package.json"} needs ${name} (${needs}), which has no entry`),
    ),
  );

/** As Node looks for it: in the package, then further and further out. */
function isFound(packages: Lock["packages"], from: string, name: string): boolean {
  if (Object.hasOwn(packages, from === "" ? `node_modules/${name}` : `${from}/node_modules/${name}`)) return true;
  return from !== "" && isFound(packages, from.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, ""), name);
}

/** Who installs them runs these scripts. `explained`: why that may be. */
export function scriptProblems({ packages }: Lock, explained: readonly string[]): readonly string[] {
  const having = entriesOf(packages).flatMap(([place, { hasInstallScript }]) => (hasInstallScript ? [nameAt(place)] : []));
  return [
    ...having
      .filter((name) => !isLikeOne(name, explained))
      .map((name) => `${name} runs a script when it is installed, and nothing says why that may be`),
    ...explained
      .filter((pattern) => !having.some((name) => isLike(name, pattern)))
      .map((pattern) => `${pattern} is explained, but runs no script when it is installed`),
  ];
}

/** Direct dependencies, each by its exact version. */
export const manifestProblems = ({ dependencies = {}, devDependencies = {} }: Manifest): readonly string[] =>
  Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !isExact(version))
    .map(([name, version]) => `${name} has the version ${version}, which is not an exact one`);

/** `words`: the names that a table has; after one with a scope, others of that scope may stand without it. */
export function explanationProblems(
  wanted: readonly string[],
  words: readonly (readonly string[])[],
  where: string,
): readonly string[] {
  const explained = words.flatMap((row) => {
    let scope = "";
    return row.map((word) => {
      scope = /^@[^/]+\//.exec(word)?.[0] ?? scope;
      return [word, scope + word].find((name) => wanted.includes(name)) ?? word;
    });
  });
  return [
    ...wanted.filter((name) => !explained.includes(name)).map((name) => `${name} is not explained under "${where}"`),
    ...explained
      .filter((name) => !wanted.includes(name))
      .map((name) => `${name} is explained under "${where}", and is not there`),
  ];
}

/** The names in the first column of the table under a heading, row by row. */
export function firstColumn(text: string, heading: string): readonly (readonly string[])[] {
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const rows = section.split("\n## ", 1)[0]?.match(/^\|.*$/gm) ?? [];
  return rows.slice(2).map((row) => (row.split("|")[1] ?? "").split(",").map((word) => word.trim()));
}

const entriesOf = (packages: Lock["packages"]) => Object.entries(packages).filter(([place]) => place !== "");

const nameAt = (place: string): string => place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);

const isExact = (version: string | undefined): boolean => /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version ?? "");
