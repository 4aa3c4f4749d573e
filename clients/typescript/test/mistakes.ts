// Each line below a marker has to be an error of the compiler; without one, the build fails.
import type { JobRequest, State } from "imagequeue";

export const right: JobRequest = {
  provider: "kie",
  action: "edit",
  prompt: "at night",
  image_urls: ["https://example.com/a.png"],
  params: { model: "google/nano-banana-edit" },
};

// @ts-expect-error: an unknown provider
export const provider: JobRequest = { provider: "kei", prompt: "a fox" };

// @ts-expect-error: an action that the provider does not have
export const action: JobRequest = { provider: "acedata-flux", action: "upscale", prompt: "a fox" };

export const parameter: JobRequest = {
  provider: "kie-flux-kontext",
  action: "generate",
  prompt: "a fox",
  // @ts-expect-error: an unknown parameter
  params: { aspect: "1:1" },
};

// @ts-expect-error: an unknown state
export const state: State = "done";
