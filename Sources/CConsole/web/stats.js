// `/stats?format=html`: a change of the form asks anew; whole histograms, which are in the page as data, are drawn.

import { histogramsOf, picture } from "./histograms.js";
import { replace } from "./dom.js";

const form = document.getElementById("stats");
form.addEventListener("change", () => form.requestSubmit());

const data = document.getElementById("data");
if (data) replace(document.getElementById("histograms"), histogramsOf(JSON.parse(data.textContent)).map((one) => picture(one)));
