// What the checks of the Node clients share. Each prints `ok` or `FAIL` and its name, and `done` at the end.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

export const URL = process.env.FIRSTLINE_URL;
export const KEY = process.env.FIRSTLINE_KEY;
export const LOCAL = "Do you deliver to France and Spain?";
export const LOCAL_SAYS = /3 to 5 working days/;
export const REMOTE = "Prove that there are infinitely many primes.";
export const STAND_IN = "[stand-in] no model wrote this.";

// ES modules do not look at NODE_PATH, so a package is found from the folder it was installed in.
const folder = process.argv[2];
export const load = (name) => import(pathToFileURL(createRequire(`${folder}/`).resolve(name)).href);
export const versionOf = (name) => JSON.parse(readFileSync(`${folder}/node_modules/${name}/package.json`, "utf8")).version;

export async function run(client, checks) {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok   ${client}: ${name}`);
    } catch (error) {
      console.log(`FAIL ${client}: ${name}`);
      console.log(error);
    }
  }
  console.log("done");
}
