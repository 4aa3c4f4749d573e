// Edit a local image and save the result: node build/examples/edit.js photo.png "make it night"
import { ImageQueue } from "imagequeue";

const [file, prompt = "make it night"] = process.argv.slice(2);
if (!file) throw new Error("which image? give its path");

const queue = new ImageQueue();
const { id } = await queue.upload(file);
const job = await queue.run({
  provider: "kie-flux-kontext",
  action: "edit",
  prompt,
  image_urls: [id],
});
const name = `${job.id}.${job.images[0]?.content_type?.split("/")[1]}`;
await queue.saveImage(job.id, 0, name);
console.log(name);
