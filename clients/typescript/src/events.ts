/** Server-sent events of the queue, resumed after every disconnection. */
import { setTimeout as sleep } from "node:timers/promises";
import { EventSourceParserStream } from "eventsource-parser/stream";

import type { Change } from "./types.js";

const PAUSE_MS = 500;

/** A change, or null where changes may have been missed: read the jobs that matter again. */
export type FollowedChange = Change | null;

/**
 * Yield each change from now on, for ever; `connect` opens the stream after an event's id.
 * The first value is null: it is sent once the stream is open.
 */
export async function* follow(
  connect: (lastEventId: string | undefined) => Promise<Response>,
): AsyncGenerator<FollowedChange> {
  let lastEventId: string | undefined;
  while (true) {
    const { body } = await connect(lastEventId);
    if (lastEventId === undefined) yield null;
    const events = body!
      .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      .pipeThrough(new EventSourceParserStream());
    try {
      for await (const event of events) {
        if (event.event === "lost") yield null;
        else {
          lastEventId = event.id ?? lastEventId;
          yield JSON.parse(event.data) as Change;
        }
      }
    } catch (error) {
      if (!isDisconnected(error)) throw error;
    }
    // The queue has closed the stream: it restarts, or this reader was too slow.
    await sleep(PAUSE_MS);
  }
}

/** Whether the connection broke, as `fetch` says it; an abort and everything else is not that. */
function isDisconnected(error: unknown): boolean {
  return error instanceof TypeError;
}
