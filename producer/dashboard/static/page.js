// What every page can do with JavaScript: times of the reader's place, links to copy, images to compare.
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

// Lays the input over the result, up to a line that a slider moves.
function toggleSlide(button) {
  const pair = document.querySelector(".pair");
  const frame = pair.querySelector("[data-view]");
  const on = pair.classList.toggle("sliding");
  button.setAttribute("aria-pressed", on);
  pair.querySelectorAll(".over-image, .slider").forEach((each) => each.remove());
  if (!on) return;
  const over = pair.querySelector(".before img").cloneNode();
  const slider = Object.assign(document.createElement("input"), { type: "range", className: "slider", ariaLabel: "How much of the input is shown" });
  over.className = "over-image";
  slider.oninput = () => { over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`; };
  slider.oninput();
  frame.append(over);
  frame.after(slider);
}

document.addEventListener("click", ({ target }) => {
  if (target.matches("[data-slide]")) toggleSlide(target);
});

localizeTimes(document);
