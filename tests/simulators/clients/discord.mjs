// discord.js (REST and gateway) and discord-interactions against the Discord simulator.

// Its packages are in $ZAKI_CLIENTS/node_modules.

import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.ZAKI_CLIENTS}/`);
const { Client, Events, GatewayIntentBits, Partials, REST, Routes } = require("discord.js");
const { verifyKey } = require("discord-interactions");

const simulators = JSON.parse(process.env.SIMULATORS);
const here = simulators.discord;
const ADA = "2000000000000000001";
const WAIT = 20_000;

// One line for each check; the first that fails ends the script.
function check(name, passed, seen) {
  console.log(`${passed ? "ok" : "FAILED"}  ${name}${passed ? "" : `: ${JSON.stringify(seen)}`}`);
  if (!passed) process.exit(1);
}

async function control(what, body) {
  const options = body && {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(`${simulators.control}/discord/${what}`, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

const within = (promise, what) =>
  Promise.race([
    promise,
    new Promise((_, no) => setTimeout(() => no(new Error(`no ${what} in time`)), WAIT).unref()),
  ]);

const next = (client, event) => within(once(client, event), event).then(([first]) => first);

async function refused(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
}

function connect() {
  const { GuildMessages, Guilds, DirectMessages, MessageContent } = GatewayIntentBits;
  return new Client({
    intents: [Guilds, GuildMessages, DirectMessages, MessageContent],
    partials: [Partials.Channel],
    rest: { api: `${here.url}/api`, version: "10" },
  });
}

async function messages(client) {
  control("say", { user: ADA, name: "ada", text: "hällo 😀" });
  const message = await next(client, Events.MessageCreate);
  check("a DM arrives", message.content === "hällo 😀" && !message.guildId, message);
  await message.channel.sendTyping();
  const reply = await message.reply("sure 😀");
  check("reply", reply.reference.messageId === message.id, reply);
  const edited = await reply.edit("other");
  check("edit", edited.content === "other" && edited.editedTimestamp, edited);

  const once = { content: "once", nonce: "n-1", enforceNonce: true };
  const [first, second] = [await message.channel.send(once), await message.channel.send(once)];
  check("enforce_nonce gives the same message", first.id === second.id, [first.id, second.id]);

  const full = await message.channel.send("😀".repeat(2000));
  check("2000 code points are taken", full.id, full);
  const error = await refused(() => message.channel.send("😀".repeat(2001)));
  check("2001 are refused with 50035", error?.code === 50035 && error.status === 400, error);
  await reply.delete();

  const acts = (await control("sent")).map((sent) => sent.act);
  const wanted = ["typing", "post", "edit", "post", "post", "retract"];
  check("the simulator recorded it all, in order", `${acts}` === `${wanted}`, acts);
}

async function guild(client) {
  const place = { guild: "3000000000000000001", channel: "3000000000000000002" };
  control("say", { user: ADA, name: "ada", text: "@zaki are you there?", ...place });
  const message = await next(client, Events.MessageCreate);
  check("a mention in a guild arrives", message.mentions.users.has(client.user.id), message);
  check("from its guild", message.guildId === place.guild, message.guildId);
}

// The socket is cut; what was said meanwhile is replayed on the URL of READY.
async function resumed(client) {
  const resumes = next(client, Events.ShardResume);
  const arrives = next(client, Events.MessageCreate);
  await control("gateway", "drop");
  await control("say", { user: ADA, name: "ada", text: "said while away" });
  await resumes;
  const message = await arrives;
  check("a missed message is replayed", message.content === "said while away", message);
  const { path, how } = (await control("connections")).at(-1);
  check("resumed on resume_gateway_url", path === "/resume" && how.resumed?.replayed >= 1, how);
}

async function rateLimit() {
  const limited = [];
  const rest = new REST({ api: `${here.url}/api`, version: "10" }).setToken(here.token);
  rest.on("rateLimited", (info) => limited.push(info));
  await control("fail", { fault: { kind: "rate_limited", after_ms: 300 } });
  const me = await rest.get(Routes.user("@me"));
  check("429 is waited out", me.id === here.application_id && limited.length === 1, limited);
  const error = await refused(() =>
    new REST({ api: `${here.url}/api`, version: "10" }).setToken("no").get(Routes.user("@me")),
  );
  check("wrong token is 401", error?.status === 401, error);
  const commands = await rest.put(Routes.applicationCommands(here.application_id), {
    body: [{ name: "zaki", description: "Ask", options: [] }],
  });
  check("commands are registered", commands[0].name === "zaki" && commands[0].id, commands);
}

// An interaction over the gateway: deferred, then the original is edited.
async function gatewayInteraction(client) {
  const arrives = next(client, Events.InteractionCreate);
  control("command", { user: ADA, name: "ada", command: "zaki", text: "hi" });
  const interaction = await arrives;
  check("a slash command arrives", interaction.options.getString("text") === "hi", interaction);
  await interaction.deferReply();
  const edited = await interaction.editReply("done");
  check("deferred, then edited", edited.content === "done", edited);
  const more = await interaction.followUp("and more");
  check("follow-up", more.content === "and more" && more.id !== edited.id, more);
}

// Interactions over HTTP, judged by discord-interactions.
async function httpInteractions() {
  const seen = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const header = (name) => request.headers[`x-signature-${name}`];
    const valid = await verifyKey(body, header("ed25519"), header("timestamp"), here.public_key);
    const { type } = JSON.parse(body);
    seen.push({ type, valid });
    response.writeHead(valid ? 200 : 401, { "content-type": "application/json" });
    response.end(JSON.stringify(type === 1 ? { type: 1 } : { type: 4, data: { content: "héllo" } }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}/`;
  await control("webhook", { url });
  check("the PING's signature passes verifyKey", seen[0].type === 1 && seen[0].valid, seen);
  check("a bad one is sent too", seen[1].type === 1 && !seen[1].valid, seen);
  const command = { user: ADA, name: "ada", command: "zaki", text: "hi" };
  const { attempt } = await control("command", command);
  check("a command's signature passes", seen[2].type === 2 && seen[2].valid, seen);
  check("its answer is taken", attempt.status === 200, attempt);
  const last = (await control("sent")).at(-1);
  check("and recorded", last.act === "answer" && last.text === "héllo", last);
  server.close();
}

async function main() {
  const client = connect();
  const ready = next(client, Events.ClientReady);
  await client.login(here.token);
  await ready;
  check("READY", client.user.id === here.application_id, client.user);
  const { path } = (await control("connections")).at(-1);
  check("on the gateway's first URL", path === "/gateway", path);
  await guild(client);
  await messages(client);
  await resumed(client);
  await gatewayInteraction(client);
  await client.destroy();
}

await main();
await rateLimit();
await httpInteractions();
process.exit(0);
