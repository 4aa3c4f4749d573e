// What every page can do with JavaScript: times of the reader's place, and links to copy.
"use strict";

const COPIED_MS = 2000;

document.documentElement.classList.add("js");
// Only https and localhost have a clipboard.
if (navigator.clipboard) document.documentElement.classList.add("clipboard");

function localizeTimes(within) {
  for (const time of within.querySelectorAll("time[data-local]")) {
    time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.textContent;
  await navigator.clipboard.writeText(new URL(button.dataset.copy, location.href).href);
  button.textContent = "Copied";
  document.getElementById("news").textContent = "The link was copied.";
  setTimeout(() => { button.textContent = label; }, COPIED_MS);
});

localizeTimes(document);
