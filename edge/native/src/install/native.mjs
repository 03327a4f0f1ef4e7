// Run with the directory of the `openclaw` package as its argument, by the installer and by the
// Dockerfile: loads the native package, or fails.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
const from = createRequire(path.join(process.argv[1], "package.json"));
const load = (name) => import(pathToFileURL(from.resolve(name)).href);
const { configureFsSafeNative } = await load("@openclaw/fs-safe/config");
configureFsSafeNative({ mode: "require" });
const { readCloneFileMetadata } = await load("@openclaw/fs-safe/copy");
await readCloneFileMetadata([]);
console.log("native ok");
