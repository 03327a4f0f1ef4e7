// Heads and answers, each in one crossing between JavaScript and wasm: a crossing costs more than
// what it carries.

// What every signed request is asked for. What is missing is empty, as no value can be.
const NAMES = ["x-zaki-key", "x-zaki-timestamp", "x-zaki-signature", "content-length"];

export function head(request) {
  const { headers } = request;
  let text = `${request.method}\n${request.url}`;
  for (const name of NAMES) text += `\n${headers.get(name) ?? ""}`;
  return text;
}

// `kind` is a status and, in pairs of lines, headers: of these there are few.
const KINDS = new Map();

function init(kind) {
  const [status, ...lines] = kind.split("\n");
  const headers = [];
  for (let at = 0; at < lines.length; at += 2) headers.push([lines[at], lines[at + 1]]);
  const made = { status: Number(status), headers };
  KINDS.set(kind, made);
  return made;
}

export function answer(kind, text) {
  return new Response(text, KINDS.get(kind) ?? init(kind));
}
