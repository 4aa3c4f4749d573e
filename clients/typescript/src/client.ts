/** The client: it submits, waits for, lists and changes jobs over HTTP. */
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import createClient, { type Client } from "openapi-fetch";

import { inChunks } from "./chunks.js";
import { iterCompleted } from "./completed.js";
import { ImageQueueError, JobFailed, TimeoutError } from "./errors.js";
import { follow } from "./events.js";
import type { ClientOptions, SubmitOptions, WaitOptions } from "./options.js";
import type { paths } from "./schema.js";
import { retrying } from "./transport.js";
import {
  FINISHED,
  type Batch,
  type Change,
  type Job,
  type JobRequest,
  type ListedBatch,
  type State,
  type Submitted,
  type Upload,
} from "./types.js";

/** Seconds that the queue holds a request for a job's end; it allows 60. */
const WAIT_S = 50;
const CHUNK = 1000;

export class ImageQueue {
  readonly #api: Client<paths>;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #send: (request: Request) => Promise<Response>;

  constructor(options: ClientOptions = {}) {
    const url = options.url ?? process.env["IMAGEQUEUE_URL"];
    if (!url) throw new ImageQueueError("no URL of the queue: pass url, or set IMAGEQUEUE_URL");
    const key = options.apiKey ?? process.env["IMAGEQUEUE_API_KEY"];
    this.#url = url.replace(/\/+$/, "");
    this.#headers = key ? { authorization: `Bearer ${key}` } : {};
    this.#send = retrying(options.fetch ?? fetch, options.maxRetries ?? 5);
    this.#api = createClient<paths>({
      baseUrl: this.#url,
      headers: this.#headers,
      fetch: this.#send,
    });
  }

  /** Submit a job and return it once it has succeeded; throws JobFailed if it does not. */
  async run(request: JobRequest, options: SubmitOptions & WaitOptions = {}): Promise<Job> {
    const { id } = await this.submit(request, options);
    const job = await this.wait(id, options);
    if (job.state !== "succeeded") throw new JobFailed(job);
    return job;
  }

  /** Queue a job and return it. */
  async submit(request: JobRequest, options: SubmitOptions = {}): Promise<Job> {
    const header = { "Idempotency-Key": options.idempotencyKey ?? randomUUID() };
    const { data } = await this.#api.POST("/v1/jobs", {
      body: request,
      params: { header },
      signal: options.signal ?? null,
    });
    return data!;
  }

  /**
   * Queue any number of jobs and yield what became of each, in order; a refused one stops no other.
   * With an idempotency key, a repetition of the whole call returns the original jobs.
   */
  async *submitMany(
    requests: Iterable<JobRequest> | AsyncIterable<JobRequest>,
    options: SubmitOptions = {},
  ): AsyncGenerator<Submitted> {
    const key = options.idempotencyKey ?? randomUUID();
    let first = 0;
    for await (const items of inChunks(requests, CHUNK)) {
      yield* this.#submitChunk(items, first, `${key}:${first}`, options.signal);
      first += items.length;
    }
  }

  async *#submitChunk(
    items: JobRequest[],
    first: number,
    key: string,
    signal?: AbortSignal,
  ): AsyncGenerator<Submitted> {
    const response = await this.#request("POST", "/v1/batches?on_error=skip", {
      body: items.map((item) => `${JSON.stringify(item)}\n`).join(""),
      headers: { "content-type": "application/x-ndjson", "idempotency-key": key },
      signal: signal ?? null,
    });
    type Accepted = paths["/v1/batches"]["post"]["responses"]["202"]["content"]["application/json"];
    const { jobs, refused } = (await response.json()) as Accepted;
    const problems = new Map(refused.map((item) => [item.index, item.problems]));
    for (const [place, jobId] of jobs.entries()) {
      const index = first + place;
      yield jobId === null ? { index, problems: problems.get(place) ?? [] } : { index, jobId };
    }
  }

  /** Return a job as it is now. */
  async get(jobId: string): Promise<Job> {
    return this.#get(jobId, 0);
  }

  async #get(jobId: string, waitS: number, signal?: AbortSignal): Promise<Job> {
    const { data } = await this.#api.GET("/v1/jobs/{job_id}", {
      params: { path: { job_id: jobId }, query: { wait: waitS } },
      signal: signal ?? null,
    });
    return data!;
  }

  /** Return a job once it has ended, whatever its end. */
  async wait(jobId: string, options: WaitOptions = {}): Promise<Job> {
    const endsAt = Date.now() + (options.timeoutMs ?? Infinity);
    while (true) {
      const leftS = Math.max(0, (endsAt - Date.now()) / 1000);
      const job = await this.#get(jobId, Math.min(WAIT_S, leftS), options.signal);
      options.onUpdate?.(job);
      if (FINISHED.has(job.state)) return job;
      if (Date.now() >= endsAt) throw new TimeoutError([jobId]);
    }
  }

  /** Yield each of the jobs once, as it ends; thousands of them share one connection. */
  async *asCompleted(jobIds: Iterable<string>, options: WaitOptions = {}): AsyncGenerator<Job> {
    const get = (jobId: string, signal: AbortSignal) => this.#get(jobId, 0, signal);
    yield* iterCompleted(jobIds, options, (signal) => this.#follow(signal), get);
  }

  /** Yield the jobs, newest first, page by page. */
  async *list(filter: { state?: State; provider?: string } = {}): AsyncGenerator<Job> {
    let cursor: string | null | undefined;
    do {
      const query = { ...filter, limit: 500, ...(cursor ? { cursor } : {}) };
      const { data } = await this.#api.GET("/v1/jobs", { params: { query } });
      yield* data!.jobs;
      cursor = data!.cursor;
    } while (cursor);
  }

  /** Cancel a job: free while it is queued; later `error.message` says what the charge is. */
  async cancel(jobId: string): Promise<Job> {
    const path = { job_id: jobId };
    return (await this.#api.POST("/v1/jobs/{job_id}/cancel", { params: { path } })).data!;
  }

  /** Download an unsaved job's images again for free, or with `payAgain` pay for a failed one. */
  async retry(jobId: string, options: { payAgain?: boolean } = {}): Promise<Job> {
    const { data } = await this.#api.POST("/v1/jobs/{job_id}/retry", {
      params: { path: { job_id: jobId } },
      body: { pay_again: options.payAgain ?? false },
    });
    return data!;
  }

  /** Return a batch and its progress. */
  async batch(batchId: string): Promise<Batch> {
    const path = { batch_id: batchId };
    return (await this.#api.GET("/v1/batches/{batch_id}", { params: { path } })).data!;
  }

  /** Yield the batches of the last 90 days with their costs, newest first, page by page. */
  async *batches(): AsyncGenerator<ListedBatch> {
    let cursor: string | null | undefined;
    do {
      const query = { limit: 500, ...(cursor ? { cursor } : {}) };
      const { data } = await this.#api.GET("/v1/batches", { params: { query } });
      yield* data!.batches;
      cursor = data!.cursor;
    } while (cursor);
  }

  /** Store an image, given as its file's path or its bytes; `image_urls` takes its id. */
  async upload(image: string | Blob | Uint8Array<ArrayBuffer>): Promise<Upload> {
    const body = typeof image === "string" ? new Blob([await readFile(image)]) : image;
    const headers = { "content-type": "application/octet-stream" };
    const response = await this.#request("POST", "/v1/uploads", { body, headers });
    return (await response.json()) as Upload;
  }

  /** Yield each change of each job from now on; after a disconnection it resumes. */
  async *events(options: { signal?: AbortSignal } = {}): AsyncGenerator<Change> {
    for await (const change of this.#follow(options.signal)) if (change) yield change;
  }

  #follow(signal?: AbortSignal) {
    return follow((lastEventId) =>
      this.#request("GET", "/v1/events", {
        headers: lastEventId ? { "last-event-id": lastEventId } : {},
        signal: signal ?? null,
      }),
    );
  }

  /** Return the bytes of a job's image. */
  async readImage(jobId: string, index = 0): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#request("GET", `/v1/jobs/${jobId}/images/${index}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Save a job's image as a file. */
  async saveImage(jobId: string, index: number, path: string): Promise<void> {
    await writeFile(path, await this.readImage(jobId, index));
  }

  async #request(method: string, path: string, options: RequestInit = {}): Promise<Response> {
    const headers = { ...this.#headers, ...(options.headers as Record<string, string>) };
    return this.#send(new Request(this.#url + path, { ...options, method, headers }));
  }
}
