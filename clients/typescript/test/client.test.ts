// The client against a running queue with simulated providers: IMAGEQUEUE_URL says where it is.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import {
  ApiError,
  ConnectionError,
  ImageQueue,
  JobFailed,
  RateLimited,
  TimeoutError,
  type JobRequest,
} from "imagequeue";

const queue = new ImageQueue();
const fox: JobRequest = { provider: "acedata-flux", action: "generate", prompt: "a red fox" };
const LATER = { not_before: new Date(Date.now() + 3_600_000).toISOString() };

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test("run returns the finished job and its image", async () => {
  const states: string[] = [];
  const job = await queue.run(fox, { onUpdate: (seen) => states.push(seen.state) });
  assert.equal(job.state, "succeeded");
  assert.equal(states.at(-1), "succeeded");
  const image = await queue.readImage(job.id);
  assert.equal(image.length, job.images[0]?.bytes);
});

test("an uploaded image is edited", async () => {
  const source = await queue.run(fox);
  const { id } = await queue.upload(await queue.readImage(source.id));
  const job = await queue.run({
    provider: "kie-flux-kontext",
    action: "edit",
    prompt: "at night",
    image_urls: [id],
  });
  assert.equal(job.action, "edit");
});

test("a failed job is an error with its reason", async () => {
  const failing = queue.run({ ...fox, prompt: "a cow [refuse=403]" });
  await assert.rejects(failing, (error) => error instanceof JobFailed && error.reason === "policy");
});

test("many jobs are submitted, refused and followed to their ends", async () => {
  const wrong = { ...fox, prompt: "" };
  const submitted = await collect(queue.submitMany([fox, wrong, fox, fox]));
  assert.deepEqual(
    submitted.map((item) => item.index),
    [0, 1, 2, 3],
  );
  assert.equal(submitted[1]?.problems?.[0]?.field, "prompt");
  const ids = submitted.flatMap((item) => item.jobId ?? []);
  const ended = await collect(queue.asCompleted(ids, { timeoutMs: 60_000 }));
  assert.deepEqual(ended.map((job) => job.id).sort(), [...ids].sort());
  assert.ok(ended.every((job) => job.state === "succeeded"));
  const batch = await queue.batch(ended[0]!.batch!);
  assert.equal(batch.total, 3);
  for await (const listed of queue.batches()) {
    assert.deepEqual([listed.id, listed.total], [batch.id, 3]);
    assert.equal(typeof listed.spent_usd, "number");
    break;
  }
});

test("the same idempotency key is the same job", async () => {
  const once = { idempotencyKey: `typescript-${process.pid}` };
  const request = { ...fox, ...LATER };
  const [first, second] = [await queue.submit(request, once), await queue.submit(request, once)];
  assert.equal(first.id, second.id);
  assert.equal((await queue.cancel(first.id)).state, "cancelled");
});

test("jobs are listed page by page", async () => {
  const { id } = await queue.submit({ ...fox, ...LATER });
  const listed = await collect(queue.list({ state: "queued" }));
  assert.ok(listed.some((job) => job.id === id));
  await queue.cancel(id);
});

test("events tell of each change", async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  let id = "";
  const timer = setInterval(async () => (id ||= (await queue.submit(fox)).id), 200);
  for await (const change of queue.events({ signal: stop.signal })) {
    if (change.job !== id) continue;
    seen.push(change.state);
    if (change.state === "succeeded") break;
  }
  clearInterval(timer);
  assert.ok(seen.length > 1);
});

test("waiting ends in time, and the job goes on", async () => {
  const { id } = await queue.submit({ ...fox, ...LATER });
  await assert.rejects(queue.wait(id, { timeoutMs: 50 }), TimeoutError);
  const both = collect(queue.asCompleted([id], { timeoutMs: 300 }));
  await assert.rejects(both, (error) => error instanceof TimeoutError && error.jobIds[0] === id);
  await queue.cancel(id);
});

test("a paid retry has to be allowed", async () => {
  const request: JobRequest = {
    provider: "kie-flux-kontext",
    action: "generate",
    prompt: "a cow [fail=501]",
  };
  const failed = await queue.wait((await queue.submit(request)).id);
  assert.equal(failed.charged, "unknown");
  await assert.rejects(queue.retry(failed.id), /pay_again/);
  const again = await queue.retry(failed.id, { payAgain: true });
  assert.equal(again.state, "queued");
});

test("refusals name the field", async () => {
  const wrong = queue.submit({ ...fox, params: { size: "9:9:9" } } as unknown as JobRequest);
  await assert.rejects(
    wrong,
    (error) => error instanceof ApiError && error.problems[0]?.field === "params.size",
  );
});

test("a host that does not answer is named", async () => {
  const nowhere = new ImageQueue({ url: "http://127.0.0.1:1", maxRetries: 0 });
  const named = (error: unknown) =>
    error instanceof ConnectionError && /127\.0\.0\.1:1/.test(error.message);
  await assert.rejects(nowhere.submit(fox), named);
});

async function serve(answer: RequestListener): Promise<[string, () => void]> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  return [`http://127.0.0.1:${(server.address() as AddressInfo).port}`, () => server.close()];
}

test("a request is repeated with its key while the queue is away", async () => {
  const keys: unknown[] = [];
  const [url, close] = await serve((request, response) => {
    keys.push(request.headers["idempotency-key"]);
    if (keys.length === 1) request.socket.destroy();
    else if (keys.length === 2) response.writeHead(503).end();
    else response.writeHead(202, { "content-type": "application/json" }).end('{"id": "job_1"}');
  });
  const job = await new ImageQueue({ url }).submit(fox);
  close();
  assert.equal(job.id, "job_1");
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
});

test("a retry whose answer is lost is not repeated", async () => {
  let requests = 0;
  const [url, close] = await serve((request) => {
    requests += 1;
    request.socket.destroy();
  });
  await assert.rejects(new ImageQueue({ url }).retry("job_1", { payAgain: true }), ConnectionError);
  close();
  assert.equal(requests, 1);
});

test("a limit that waiting does not help is not repeated", async () => {
  let requests = 0;
  const [url, close] = await serve((_, response) => {
    requests += 1;
    response.writeHead(429, { "content-type": "application/problem+json" });
    response.end('{"detail": "at most 5 open jobs"}');
  });
  await assert.rejects(new ImageQueue({ url }).submit(fox), RateLimited);
  close();
  assert.equal(requests, 1);
});

test("without a URL the error says what to set", () => {
  const url = process.env["IMAGEQUEUE_URL"];
  delete process.env["IMAGEQUEUE_URL"];
  try {
    assert.throws(() => new ImageQueue(), /IMAGEQUEUE_URL/);
  } finally {
    process.env["IMAGEQUEUE_URL"] = url;
  }
});
