// Receive the queue's webhooks: PORT=3000 WEBHOOK_SECRET=whsec_... node build/examples/webhook.js
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import type { Job } from "imagequeue";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env["WEBHOOK_SECRET"]!);

createServer(async (request, response) => {
  try {
    const body = await text(request);
    const event = webhook.verify(body, request.headers as Record<string, string>);
    const { data: job } = event as { data: Job };
    // An event may come twice: act on a job's id once.
    console.log(job.id, job.state);
    response.writeHead(204).end();
  } catch {
    response.writeHead(400).end();
  }
}).listen(Number(process.env["PORT"] ?? 3000), () => console.log("ready"));
