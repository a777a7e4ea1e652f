import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";

const { version: ofPackage } = JSON.parse(readFileSync(findPackageJSON("..", import.meta.url) ?? "", "utf8")) as {
  readonly version: string;
};

/** Of this program. */
export const version = ofPackage;
