/** Something that is wrong, or that somebody waits for, and what helps, in this order: commands, or what to do by hand. */
export type Finding = { readonly what: string; readonly help: readonly string[] };

/** A page that says more. */
export const see = (page: string, section: string): string => `see docs/${page}, ${section}`;
