/** Every error of the client, under one base class; each message says what to change. */
import type { FieldProblem, Job, Problem, Reason } from "./types.js";

export class ImageQueueError extends Error {
  override name = this.constructor.name;
}

/** The queue could not be reached, or answered with something else than its API does. */
export class ConnectionError extends ImageQueueError {}

/** The job has not finished within `timeoutMs`; it goes on, and `wait` takes its id again. */
export class TimeoutError extends ImageQueueError {
  constructor(readonly jobIds: string[]) {
    super(`not finished in time: ${jobIds.slice(0, 3).join(", ")}`);
  }
}

/** The queue refused a request; `problems` names each refused field. */
export class ApiError extends ImageQueueError {
  readonly problems: FieldProblem[];

  constructor(
    readonly status: number,
    problem: Partial<Problem>,
  ) {
    super(problem.detail ?? `HTTP ${status}`);
    this.problems = problem.problems ?? [];
  }
}

/** A limit or a budget of the API key is reached; nothing was queued. */
export class RateLimited extends ApiError {
  constructor(
    status: number,
    problem: Partial<Problem>,
    /** Undefined if waiting will not help. */
    readonly retryAfterS?: number,
  ) {
    super(status, problem);
  }
}

/** The job ended without images; its error says why. */
export class JobFailed extends ImageQueueError {
  readonly reason: Reason | null;

  constructor(readonly job: Job) {
    const why = [job.error?.reason, job.error?.message].filter(Boolean).join(": ");
    super(`${job.id} is ${job.state}${why && `: ${why}`}`);
    this.reason = job.error?.reason ?? null;
  }
}
