/** A key of JSON at the end of the place of what has it: `.site`, or `["a b"]`. */
export const keyText = (key: string): string => (/^\w+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
