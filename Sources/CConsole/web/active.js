// `/stats?format=active-html`: asks for the statistics again and again and shows those that change most at the top. One question
// at a time; a hidden tab asks nothing.

import { h, replace, setText } from "./dom.js";
import { histogramsOf, picture } from "./histograms.js";
import { Changes, settings } from "./changing.js";

const form = document.getElementById("stats");
const failure = document.getElementById("failure");
const table = document.getElementById("statistics");
const changes = new Changes();
let timer = 0;
let isAsking = false;
let isAskedAgain = false;

const given = () => settings((name) => document.getElementById("stats-" + name));

async function ask() {
  clearTimeout(timer);
  // What is under way was asked with the form as it was: ask again behind it.
  isAskedAgain = isAsking;
  if (isAsking || document.hidden) return;
  isAsking = true;
  const { target, count, seconds } = given();
  try {
    const answer = await fetch(target);
    const text = await answer.text();
    if (!answer.ok) throw new Error(text);
    show(changes.received(JSON.parse(text)), count);
    failure.hidden = true;
  } catch (error) {
    setText(failure, `No answer to ${target}: ${error.message}`);
    failure.hidden = false;
  }
  isAsking = false;
  if (isAskedAgain) ask();
  else timer = setTimeout(ask, seconds * 1000);
}

function show({ statistics, histograms }, count) {
  const shown = statistics.slice(0, count);
  const left = statistics.length - shown.length;
  setText(document.getElementById("said"), `${shown.length} statistics, the most active first` + (left > 0 ? `; ${left} more are not shown` : ""));
  table.hidden = shown.length === 0;
  replace(table.tBodies[0], shown.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.name)), h("td", {}, String(one.value)), h("td", {}, String(one.changes)))));
  replace(document.getElementById("histograms"), histogramsOf(histograms).map((one) => picture(one)));
}

form.addEventListener("change", () => {
  if (document.getElementById("stats-format").value === "active-html") ask();
  else form.requestSubmit();
});
form.addEventListener("submit", (event) => {
  if (document.getElementById("stats-format").value !== "active-html") return;
  event.preventDefault();
  ask();
});
document.addEventListener("visibilitychange", ask);
ask();
