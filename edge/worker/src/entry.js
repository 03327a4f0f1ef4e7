// What the platform calls. The bundle's own entry makes an object and three proxies for each request,
// to start wasm anew after a panic; here a panic is looked for once, and left to that entry.
import Entry from "../build/index.js";

export * from "../build/index.js";

const state = globalThis.__worker_init_state;
const { fetch, scheduled } = Entry.prototype;

function call(method, name, event, env, context) {
  if (state.criticalError) return new Entry(context, env)[name](event);
  try {
    return method.call({ env, ctx: context }, event);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
    throw error;
  }
}

export default {
  fetch: (request, env, context) => call(fetch, "fetch", request, env, context),
  scheduled: (event, env, context) => call(scheduled, "scheduled", event, env, context),
};
