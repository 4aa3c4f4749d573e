/** Requests that are repeated where that is safe, and responses that are errors as exceptions. */
import { setTimeout as sleep } from "node:timers/promises";

import { ApiError, ConnectionError, RateLimited } from "./errors.js";
import type { Problem } from "./types.js";

const REPEATED = new Set([429, 502, 503, 504]);
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;

/**
 * Return a `fetch` that repeats a request while the queue is away or busy, and throws an ApiError
 * for every other refusal. Requests that submit carry an idempotency key, and the others change
 * nothing the second time, except for a retry: where its answer was lost, it may have been paid.
 */
export function retrying(
  send: typeof fetch,
  maxRetries: number,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const isRetry = request.url.endsWith("/retry");
    for (let retries = 0; ; retries++) {
      const isLast = retries >= maxRetries;
      let pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** retries) * (0.5 + Math.random());
      try {
        const response = await send(isLast ? request : request.clone());
        if (response.ok) return response;
        const error = await toError(response);
        const askedMs = 1000 * Number(response.headers.get("retry-after") ?? 0);
        const isRefused = response.status === 429 && !response.headers.has("retry-after");
        const isRepeated = REPEATED.has(response.status) && !(isRetry && response.status !== 429);
        if (isLast || isRefused || !isRepeated || askedMs > MAX_PAUSE_MS) throw error;
        pauseMs = Math.max(pauseMs, askedMs);
      } catch (error) {
        if (error instanceof ApiError || request.signal.aborted) throw error;
        if (isLast || isRetry) throw toConnectionError(request, error);
      }
      await sleep(pauseMs, undefined, { signal: request.signal });
    }
  };
}

async function toError(response: Response): Promise<ApiError> {
  const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
  if (response.status !== 429 && response.status !== 402) {
    return new ApiError(response.status, problem);
  }
  const after = response.headers.get("retry-after");
  return new RateLimited(response.status, problem, after === null ? undefined : Number(after));
}

function toConnectionError(request: Request, error: unknown): ConnectionError {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ConnectionError(`no answer from ${new URL(request.url).origin}: ${why}`, {
    cause: error,
  });
}
