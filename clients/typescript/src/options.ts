/** What callers may choose. */
import type { Job } from "./types.js";

export interface ClientOptions {
  /** Where the API is; default: the environment variable IMAGEQUEUE_URL. */
  url?: string;
  /** Default: the environment variable IMAGEQUEUE_API_KEY. */
  apiKey?: string;
  /** How often a request is repeated while the queue is away or busy; default: 5. */
  maxRetries?: number;
  fetch?: typeof fetch;
}

export interface SubmitOptions {
  /** Repeating a request with its key returns the original job; default: a new key. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

export interface WaitOptions {
  /** Throw a TimeoutError after so long; default: never. */
  timeoutMs?: number;
  /** Called with the job at each look at it, at the latest every 50 seconds. */
  onUpdate?: (job: Job) => void;
  signal?: AbortSignal;
}
