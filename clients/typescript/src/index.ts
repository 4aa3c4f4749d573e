export { ImageQueue } from "./client.js";
export * from "./errors.js";
export type * from "./options.js";
export * from "./types.js";
