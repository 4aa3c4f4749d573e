/** The types of requests and results, named as users meet them; the generator made the schemas. */
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

/** A request of any provider and action; the editor knows the parameters of each model. */
export type JobRequest = paths["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"];
/** A job as it is now. */
export type Job = Schemas["Job"];
export type Image = Schemas["Image"];
export type State = Schemas["State"];
export type Reason = Schemas["Reason"];
export type Batch = Schemas["Batch"];
export type ListedBatch = Schemas["ListedBatch"];
export type Upload = Schemas["Upload"];
export type FieldProblem = Schemas["FieldProblem"];
export type Problem = Schemas["ProblemDocument"];

/** A job that changed, and the state that it entered. */
export interface Change {
  job: string;
  state: State;
}

/** What became of one request of `submitMany`: its job, or everything that is wrong with it. */
export type Submitted =
  | { index: number; jobId: string; problems?: never }
  | { index: number; jobId?: never; problems: FieldProblem[] };

export const FINISHED: ReadonlySet<State> = new Set<State>([
  "succeeded",
  "unsaved",
  "failed",
  "cancelled",
]);
