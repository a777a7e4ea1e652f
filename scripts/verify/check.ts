/** One thing that is checked, and what is wrong with it. */
export type Check = { readonly name: string; readonly problems: readonly string[]; readonly remark: string };
