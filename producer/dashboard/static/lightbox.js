// Shows the images of a page one by one, large. Without this file their links lead on.
"use strict";

const SWIPE_PX = 40;
const CONTROLS_PX = 80; // where a finger moves through a video

const lightbox = document.getElementById("lightbox");
const part = (selector) => lightbox.querySelector(selector);
let images = [];
let at = 0;
let touched = null;

function listImages() {
  return [...document.querySelectorAll("[data-view]")].flatMap((source) =>
    source.dataset.view.split(" ").map((name) => {
      const [job, index, video] = name.split("/");
      return { source, job, index, isVideo: Boolean(video), title: source.dataset.title, url: `/v1/jobs/${job}/images/${index}` };
    }));
}

function show(place) {
  at = (place + images.length) % images.length;
  const { job, index, isVideo, title, url } = images[at];
  stop();
  const shown = part(isVideo ? "video" : "img");
  for (const each of lightbox.querySelectorAll("img, video")) each.hidden = each !== shown;
  shown.src = url;
  shown[isVideo ? "ariaLabel" : "alt"] = title;
  part(".title").textContent = title;
  part(".title").href = `/jobs/${job}`;
  part(".download").href = `/jobs/${job}/images/${index}`;
  part(".copy").dataset.copy = `/jobs/${job}`;
  part(".place").textContent = `${at + 1} of ${images.length}`;
  // The neighbours are loaded before they are asked for.
  for (const step of [1, -1]) {
    const near = images[(at + step + images.length) % images.length];
    if (!near.isVideo) new Image().src = near.url;
  }
}

// A video that is out of sight neither plays nor loads.
function stop() {
  part("video").removeAttribute("src");
  part("video").load();
}

lightbox.addEventListener("close", stop);

document.addEventListener("click", (event) => {
  const source = event.target.closest("[data-view]");
  if (!source || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  images = listImages();
  for (const name of [".previous", ".next"]) part(name).hidden = images.length < 2;
  show(images.findIndex((image) => image.source === source));
  lightbox.showModal();
});

// Where the image is not: beside it, and the buttons.
lightbox.addEventListener("click", ({ target }) => {
  if (target.closest(".close") || target === lightbox || target.matches(".stage")) lightbox.close();
  else if (target.closest(".previous")) show(at - 1);
  else if (target.closest(".next")) show(at + 1);
});

lightbox.addEventListener("keydown", ({ key }) => {
  if (key === "ArrowLeft") show(at - 1);
  if (key === "ArrowRight") show(at + 1);
});

// One finger moves to the next image; two, or one in an enlarged image, move the page itself.
lightbox.addEventListener("touchstart", ({ target, touches }) => {
  const isOnControls = target.matches("video") && touches[0].clientY > target.getBoundingClientRect().bottom - CONTROLS_PX;
  const isSwipe = touches.length === 1 && visualViewport.scale === 1 && !isOnControls;
  touched = isSwipe ? { x: touches[0].clientX, y: touches[0].clientY } : null;
}, { passive: true });

lightbox.addEventListener("touchend", ({ changedTouches: [{ clientX, clientY }] }) => {
  const moved = touched ? clientX - touched.x : 0;
  if (Math.abs(moved) > SWIPE_PX && Math.abs(moved) > 2 * Math.abs(clientY - touched.y)) show(at - Math.sign(moved));
  touched = null;
});
