// Takes webhooks on a port: `node receiver.mjs PORT STEP...`. Each request meets the next step: a
// status, or `slow:SECONDS` before a 204; after the last, all are answered with 204. For each
// request, a line of JSON on standard output. The secret is in WEBHOOK_SECRET.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const [port, ...steps] = process.argv.slice(2);
const webhook = new Webhook(process.env.WEBHOOK_SECRET);

function verified(body, headers) {
  try {
    return webhook.verify(body, headers);
  } catch (error) {
    return { type: `not verified: ${error.message}` };
  }
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { type, data } = verified(Buffer.concat(chunks).toString(), request.headers);
  const [kind, seconds] = (steps.shift() ?? "204").split(":");
  const status = kind === "slow" ? 204 : Number(kind);
  console.log(JSON.stringify({ id: request.headers["webhook-id"], type, job: data?.id, status }));
  setTimeout(() => response.writeHead(status).end(), 1000 * (seconds ?? 0));
});

server.listen(Number(port), "127.0.0.1", () => console.log("listening"));
