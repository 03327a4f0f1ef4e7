// A Durable Object before its container, and nothing between them: whatever is asked of it goes to
// the container as it came. A yardstick for measurements, and nothing else.
import { DurableObject } from "cloudflare:workers";

const PORT = 8787;
const TOKEN = "yardstick";

export class Bare extends DurableObject {
  async fetch(request) {
    // Answered here: what the way to the object alone takes.
    if (request.method === "HEAD") return new Response(null);
    const { container } = this.ctx;
    if (!container.running) await this.start();
    const { pathname } = new URL(request.url);
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
    const inside = `http://sandbox/v1/${pathname.split("/").at(-1)}`;
    const call = { method: "POST", headers, body: await request.arrayBuffer() };
    return container.getTcpPort(PORT).fetch(inside, call);
  }

  async start() {
    const env = { ZAKI_SANDBOX_LISTEN: `0.0.0.0:${PORT}`, ZAKI_SANDBOX_TOKEN: TOKEN };
    this.ctx.container.start({ env, enableInternet: false });
    for (;;) {
      const headers = { authorization: `Bearer ${TOKEN}` };
      const call = this.ctx.container.getTcpPort(PORT).fetch("http://sandbox/v1/health", { headers });
      if ((await call.catch(() => undefined))?.ok) return;
      await scheduler.wait(50);
    }
  }
}

export default {
  fetch(request, env) {
    // One for each person, as the edge has it.
    const [, , , user] = new URL(request.url).pathname.split("/");
    return env.BARE.getByName(user).fetch(request);
  },
};
