// The bundle in the real workerd on this machine, with what `wrangler.jsonc` binds it to: for tests,
// the demo and measurements. Not for deployment, and not `wrangler dev`: it watches nothing.
//
// The first line of its input is its options (shape: `Options` in `tests/src/workerd.rs`), since
// secrets are among them. It answers `ready URL`. Each later line is a cron expression to fire; it
// answers `cron OUTCOME`. It ends with its input, and workerd with it.
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const options = JSON.parse((await lines.next()).value);
const require = createRequire(path.join(options.modules, "/"));
const { Miniflare, convertV4MiniflareOptions } = require("miniflare");
const { unstable_readConfig: readConfig } = require("wrangler");

const home = path.resolve(import.meta.dirname, "..");
const config = readConfig({ config: path.join(home, "wrangler.jsonc"), env: options.env });
const module = (type, name) => ({ type, path: path.join(home, name) });

const durable = (binding) => {
  const boxed = (config.containers ?? []).some((one) => one.class_name === binding.class_name);
  const container = boxed && options.image ? { container: { imageName: options.image } } : {};
  return [binding.name, { className: binding.class_name, useSQLite: true, ...container }];
};

const worker = {
  name: options.name,
  compatibilityDate: config.compatibility_date,
  compatibilityFlags: config.compatibility_flags,
  modulesRoot: home,
  modules: [
    module("ESModule", "src/entry.js"),
    module("ESModule", "build/index.js"),
    module("CompiledWasm", "build/index_bg.wasm"),
  ],
  bindings: { ...config.vars, ...options.bindings },
  durableObjects: Object.fromEntries(config.durable_objects.bindings.map(durable)),
  r2Buckets: Object.fromEntries(config.r2_buckets.map((one) => [one.binding, one.bucket_name])),
  analyticsEngineDatasets: Object.fromEntries(
    config.analytics_engine_datasets.map((one) => [one.binding, { dataset: one.dataset }]),
  ),
};

// Measured without the Worker that miniflare puts before all others.
const direct = (port) => ({ unsafeDirectSockets: [{ host: options.host, port }] });
if (options.direct) Object.assign(worker, direct(options.direct));

// Others in the same workerd, to compare it with; what they import is bundled in.
const beside = (options.beside ?? []).map((one) => {
  const { outputFiles } = require("esbuild").buildSync({
    entryPoints: [one.script],
    bundle: true,
    write: false,
    format: "esm",
    target: "esnext",
    external: ["cloudflare:*"],
    nodePaths: [options.modules],
  });
  const boxed = { useSQLite: true, container: { imageName: options.image } };
  const objects = Object.entries(one.objects ?? {});
  return {
    name: `${options.name}-${one.name}`,
    compatibilityDate: config.compatibility_date,
    modules: [{ type: "ESModule", path: `${one.name}.mjs`, contents: outputFiles[0].text }],
    bindings: options.bindings,
    durableObjects: Object.fromEntries(
      objects.map(([binding, className]) => [binding, { className, ...boxed }]),
    ),
    ...direct(one.port),
  };
});

const engine = options.image && {
  containerEngine: {
    localDocker: {
      socketPath: options.docker,
      containerEgressInterceptorImage: options.sidecar,
    },
  },
};

const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    host: options.host,
    port: options.port,
    rootPath: home,
    cf: false, // asks nobody who we are
    resourcePersistencePath: options.state,
    telemetry: { enabled: false },
    ...engine,
    workers: [worker, ...beside],
  }),
);
console.log("ready", String(await miniflare.ready));
for await (const cron of lines) {
  const worker = await miniflare.getWorker();
  console.log("cron", (await worker.scheduled({ cron })).outcome);
}
await miniflare.dispose();
