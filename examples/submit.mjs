// Submit a job, follow it by server-sent events and save its images: node submit.mjs [PROMPT]
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";

const jobs = `${process.env.API_URL ?? "http://localhost:8000"}/v1/jobs`;
const authorization = `Bearer ${process.env.API_KEY ?? ""}`;

async function send(url, options = {}) {
  const headers = { authorization, ...options.headers };
  const response = await fetch(url, { ...options, headers });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response;
}

// The job now and after each change; the server ends the stream when the job has ended.
async function* versions(id) {
  let rest = "";
  const { body } = await send(`${jobs}/${id}/events`);
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield JSON.parse(line.slice(5));
  }
}

const request = {
  provider: "kie-flux-kontext",
  prompt: process.argv[2] ?? "a lighthouse in a storm, oil on canvas",
  params: { aspect_ratio: "16:9" },
};
const submitted = await send(jobs, {
  method: "POST",
  // A repeated request with the same key creates no second job.
  headers: { "content-type": "application/json", "idempotency-key": randomUUID() },
  body: JSON.stringify(request),
});
let job = await submitted.json();
for await (job of versions(job.id)) console.log(job.id, job.state);
if (job.state !== "succeeded") throw new Error(`${job.state}: ${JSON.stringify(job.error)}`);

for (const { index, state, content_type: type } of job.images) {
  if (state !== "stored") continue; // only an origin image may be missing
  const image = await send(`${jobs}/${job.id}/images/${index}`);
  const file = `${job.id}-${index}.${type.split("/")[1]}`;
  await writeFile(file, Buffer.from(await image.arrayBuffer()));
  console.log(file);
}
