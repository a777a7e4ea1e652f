// Prints the tests that failed, from the reports that it is given; what failed before it had tests is a file.
import { existsSync, readFileSync } from "node:fs";

const say = (what, why) => console.log(`FAILED ${what}\n${why.slice(0, 2_000)}`);

for (const report of process.argv.slice(2).filter((file) => existsSync(file))) {
  for (const file of JSON.parse(readFileSync(report, "utf8")).testResults) {
    const failed = file.assertionResults.filter(({ status }) => status === "failed");
    for (const { fullName, failureMessages } of failed) say(`${file.name}: ${fullName}`, failureMessages.join("\n"));
    if (file.status === "failed" && failed.length === 0) say(file.name, file.message);
  }
}
