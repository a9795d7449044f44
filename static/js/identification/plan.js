// @ts-check
// A plan's page: n draws another sample, z takes the act back, and one stays on the page.
import { postJson } from "../core/fetch.js";
import { bind } from "../core/keys.js";
import { toastError } from "../core/toast.js";

/** @param {HTMLFormElement} form */
async function takeBack(form) {
  const answer = await postJson(form.action, {});
  // A large act is taken back by a run, whose page tells how far it is.
  if (answer.address) location.assign(answer.address);
  else location.reload();
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.querySelector("#undo-plan")) return;
  event.preventDefault();
  takeBack(form).catch(toastError);
});

const group = { group: "Plan" };
bind("n", "Another random sample", () => document.getElementById("another")?.click(), group);
bind("z", "Undo", () => document.getElementById("undo-plan")?.click(), group);
