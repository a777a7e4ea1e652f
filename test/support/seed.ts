import fc from "fast-check";

/** Of what is drawn by chance: SEED=n draws it again. CI gives one, so that what it finds is of the change; `make stress` draws others. */
export const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

// Of properties, which print theirs when they fail: this file is set up before each file that has any.
if (process.env["SEED"] !== undefined) fc.configureGlobal({ seed });
