// Counts the selected jobs with what they cost. Without this file the form works, but does not count.
"use strict";

// In a block: the other scripts of the page have names of their own.
{
  const form = document.getElementById("selection");
  const list = document.getElementById("jobs");
  const chosen = new Set(); // ids: a card that changes is replaced
  let last = null; // where a range begins that Shift ends

  const listBoxes = () => [...list.querySelectorAll("input[name=id]")];
  const find = (id) => document.getElementById(id);

  function show() {
    const boxes = listBoxes().filter((box) => box.checked);
    const prices = boxes.map((box) => box.dataset.usd);
    const usd = prices.reduce((sum, price) => sum + Number(price), 0);
    const shown = usd >= 1 ? usd.toFixed(2) : usd.toFixed(6).replace(/(\.\d\d.*?)0+$/, "$1"); // as `format_usd`
    const bound = prices.includes("") ? "at least" : "about";
    find("selected").textContent = `${boxes.length} selected${usd ? `, ${bound} $${shown}` : ""}`;
    form.hidden = !boxes.length;
    const states = boxes.map((box) => box.closest(".card").dataset.state);
    for (const button of form.querySelectorAll("button[data-states]")) {
      const count = states.filter((state) => button.dataset.states.split(" ").includes(state)).length;
      button.hidden = !count;
      button.textContent = `${button.dataset.link} ${count} …`;
    }
  }

  function read() {
    chosen.clear();
    for (const box of listBoxes()) if (box.checked) chosen.add(box.value);
    show();
  }

  list.addEventListener("click", (event) => {
    const box = event.target;
    if (!box.matches("input[name=id]")) return;
    const boxes = listBoxes();
    const [from, to] = [boxes.findIndex((each) => each.value === last), boxes.indexOf(box)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) for (const each of boxes.slice(from, to)) each.checked = box.checked;
    last = box.value;
    read();
  });

  form.addEventListener("reset", () => setTimeout(read));
  find("select-all").addEventListener("click", () => {
    for (const box of listBoxes()) box.checked = true;
    read();
  });

  new MutationObserver(() => {
    for (const box of listBoxes()) box.checked = chosen.has(box.value);
    read();
  }).observe(list, { childList: true });
  addEventListener("pageshow", read); // the browser has put ticks back

  find("select-all").hidden = false;
  read();
}
