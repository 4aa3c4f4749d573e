// Make an image and edit it with OpenAI's SDK: node edit.mjs MODEL PROMPT; prints both as JSON.
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ maxRetries: 9 });
const [model, prompt] = process.argv.slice(2);
const made = await client.images.generate({ model, prompt, size: "1024x1024" });
const image = await toFile(Buffer.from(made.data[0].b64_json, "base64"), "image.png");
const edited = await client.images.edit({ model, prompt: `${prompt} with a hat`, image: [image] });
const models = [];
for await (const each of client.models.list()) models.push(each.id);
console.log(JSON.stringify({ made, edited, models }));
