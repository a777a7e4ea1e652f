import { type CelFunc, CelScalar, celFunc } from "@bufbuild/cel";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

const { BYTES, STRING } = CelScalar;

/** https://pkg.go.dev/github.com/google/cel-go/ext#Encoders */
export const encoderFunctions: readonly CelFunc[] = [
  celFunc("base64.encode", [BYTES], STRING, (bytes) => base64Encode(bytes)),
  celFunc("base64.decode", [STRING], BYTES, (text) => {
    const digits = text.replace(/={1,2}$/, "");
    // With or without padding, and nothing else.
    const isWhole = digits.length % 4 !== 1 && (digits.length === text.length || text.length % 4 === 0);
    if (!isWhole || !/^[A-Za-z0-9+/]*$/.test(digits)) throw new Error("this is no base64");
    return base64Decode(digits);
  }),
];
