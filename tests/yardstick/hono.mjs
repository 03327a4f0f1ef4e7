// What the Worker in front does before anything is done, written as one writes it in JavaScript: the
// routes of the hub's wire, by Hono; and the proof of every request, by the platform's own
// cryptography. It answers one call. A yardstick for measurements, and nothing else.
import { Hono } from "hono";

const WINDOW_MS = 300_000;
const text = new TextEncoder();
const hex = (bytes) => new Uint8Array(bytes).toHex();

// Once in an isolate, as the Worker does it.
let keys;
const known = (env) => {
  keys ??= Promise.all(
    env.ZAKI_EDGE_KEYS.split(",").map(async (pair) => {
      const [id, secret] = pair.split("=");
      const hmac = { name: "HMAC", hash: "SHA-256" };
      const raw = Uint8Array.fromHex(secret);
      return [id, await crypto.subtle.importKey("raw", raw, hmac, false, ["verify"])];
    }),
  ).then((all) => new Map(all));
  return keys;
};

const proven = async (context, next) => {
  const { req } = context;
  const id = req.header("x-zaki-key");
  const timestamp = req.header("x-zaki-timestamp");
  const signature = req.header("x-zaki-signature");
  const announced = req.header("content-length");
  if (announced && Number(announced) > 16 * 1024) return context.json({ error: "too large" }, 413);
  const has = req.method !== "GET" && req.method !== "DELETE";
  const body = has ? await req.arrayBuffer() : new ArrayBuffer(0);
  const stranger = () => context.json({ error: "the caller is not known" }, 401);
  if (!id || !timestamp || !/^[0-9a-f]{64}$/.test(signature ?? "")) return stranger();
  const key = (await known(context.env)).get(id);
  if (!key || !(Math.abs(Date.now() - Number(timestamp) * 1000) <= WINDOW_MS)) return stranger();
  const target = req.url.slice(req.url.indexOf("/", 8));
  const hash = hex(await crypto.subtle.digest("SHA-256", body));
  const message = text.encode(`v1\n${timestamp}\n${req.method}\n${target}\n${hash}`);
  const is = await crypto.subtle.verify("HMAC", key, Uint8Array.fromHex(signature), message);
  return is ? next() : stranger();
};

const app = new Hono();
const elsewhere = (context) => context.json({ error: "only the yardstick's call is answered" }, 501);
app.notFound((context) => context.json({ error: "there is nothing here" }, 404));
app.get("/health", (context) => context.json({ ok: true }));
app.use("/v1/*", proven);
const parts = ["containers", "bucket", "hub"].map((provider) => ({ provider, is_asked: true }));
app.get("/v1/model", (context) => context.json({ providers: [], parts }));
app.get("/v1/sandboxes", elsewhere);
const user = "/v1/users/:user{[0-9a-hjkmnp-tv-z]{26}}";
for (const path of ["wake", "retire", "reinstate", "backup", "restore", "turns"]) {
  app.post(`${user}/${path}`, elsewhere);
}
for (const path of ["abort", "steer"]) app.post(`${user}/turns/:turn/${path}`, elsewhere);
app.get(`${user}/turns/:turn`, elsewhere);
app.get(`${user}/usage`, elsewhere);
app.get(`${user}/sandbox`, elsewhere);
app.post(`${user}/sandbox/:operation`, elsewhere);
app.get(`${user}/backups/:id`, elsewhere);
app.post(`${user}/approvals/:id`, elsewhere);
app.put(`${user}/media/:hash`, elsewhere);
app.get(`${user}/media/:hash`, elsewhere);
app.delete(user, elsewhere);

export default app;
