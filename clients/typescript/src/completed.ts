/** Many jobs, each as it ends: one stream of events says when to read which. */
import { inChunks } from "./chunks.js";
import { TimeoutError } from "./errors.js";
import type { FollowedChange } from "./events.js";
import type { WaitOptions } from "./options.js";
import { FINISHED, type Job } from "./types.js";

const PARALLEL = 8;
/** The longest that a timer of Node takes: 25 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Yield each job once it has ended. An abort of the signal ends what `follow` and `get` do. */
export async function* iterCompleted(
  jobIds: Iterable<string>,
  options: WaitOptions,
  follow: (signal: AbortSignal) => AsyncIterable<FollowedChange>,
  get: (jobId: string, signal: AbortSignal) => Promise<Job>,
): AsyncGenerator<Job> {
  const open = new Set(jobIds);
  const stop = new AbortController();
  const { signal } = stop;
  let isLate = false;
  const timeout = setTimeout(
    () => stop.abort((isLate = true)),
    options.timeoutMs ?? MAX_TIMEOUT_MS,
  );
  const onAbort = () => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener("abort", onAbort);
  try {
    for await (const change of follow(signal)) {
      const changed = change === null ? [...open] : open.has(change.job) ? [change.job] : [];
      for await (const ids of inChunks(changed, PARALLEL)) {
        for (const job of await Promise.all(ids.map((id) => get(id, signal)))) {
          options.onUpdate?.(job);
          if (FINISHED.has(job.state) && open.delete(job.id)) yield job;
        }
      }
      if (open.size === 0) return;
    }
  } catch (error) {
    throw isLate ? new TimeoutError([...open]) : error;
  } finally {
    clearTimeout(timeout);
    options.signal?.removeEventListener("abort", onAbort);
    stop.abort();
  }
}
