export { ImageQueue } from "./client.js";
export type { ClientOptions, SubmitOptions, WaitOptions } from "./client.js";
export * from "./errors.js";
export * from "./types.js";
