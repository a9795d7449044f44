// @ts-check
// Grading served answers: one key a verdict, the next image at once, the verdict sent behind it, the last ones undone by z.
import { getFragment, getJson, postJson } from "../core/fetch.js";
import { bind } from "../core/keys.js";
import { toastError } from "../core/toast.js";
import { Typeahead } from "../core/typeahead.js";

const AHEAD = 3;
const FIRST_WORDS = { answered: "Correct", choices: "The first is right", unable: "Right to refuse" };

/** @param {string} id */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const stage = part("grading");
const base = stage.dataset.base ?? "";
const picture = /** @type {HTMLImageElement} */ (part("picture"));
const undoButton = /** @type {HTMLButtonElement} */ (part("undo"));

/** @type {HTMLElement[]} answers not graded yet, the present one first */
const queue = [...part("queue").querySelectorAll("article")];
/** @type {{answer: HTMLElement, saved: Promise<number | null>}[]} */
const past = [];
let last = queue.at(-1)?.dataset.transactionId ?? "";
let waiting = Number(part("waiting").dataset.waiting);
let isFetching = false;
let saving = 0;

/** @param {HTMLElement} answer */
function prefetch(answer) {
  const image = new Image();
  image.src = answer.dataset.src ?? "";
}

async function fetchMore() {
  if (isFetching || !last || queue.length > AHEAD) return;
  isFetching = true;
  try {
    const holder = document.createElement("div");
    holder.innerHTML = await getFragment(`${base}/grade/more?after=${last}`);
    const more = /** @type {HTMLElement[]} */ ([...holder.querySelectorAll("article")]);
    last = more.at(-1)?.dataset.transactionId ?? "";
    const wasEmpty = !queue.length;
    queue.push(...more);
    more.slice(0, AHEAD).forEach(prefetch);
    if (wasEmpty) show();
  } catch (error) {
    toastError(error, fetchMore);
  } finally {
    isFetching = false;
  }
}

function show() {
  const [answer] = queue;
  closeNaming();
  part("answer").replaceChildren(...(answer ? [answer] : []));
  picture.hidden = !answer;
  part("finished").hidden = Boolean(answer) || Boolean(last);
  for (const button of buttons()) button.disabled = !answer;
  if (answer) {
    picture.src = answer.dataset.src ?? "";
    const decision = /** @type {keyof typeof FIRST_WORDS} */ (answer.dataset.decision);
    const word = document.querySelector('[data-verdict="correct"] [data-word]');
    if (word) word.textContent = FIRST_WORDS[decision];
    queue.slice(1, 1 + AHEAD).forEach(prefetch);
  }
  part("waiting").textContent = Math.max(0, waiting).toLocaleString("en");
  part("done").textContent = past.length ? `${past.length} graded now` : "";
  undoButton.disabled = !past.length;
}

const buttons = () => /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-verdict]"));

/** @param {number} change */
function countSaving(change) {
  saving += change;
  part("saving").textContent = saving ? "Saving …" : past.length ? "Saved" : "";
}

/**
 * @param {string} verdict
 * @param {number | null} [classId]
 */
function give(verdict, classId = null) {
  const answer = queue.shift();
  if (!answer) return;
  const body = { transaction_id: answer.dataset.transactionId, verdict, true_class_id: classId };
  const entry = { answer, saved: send(answer, body) };
  past.push(entry);
  waiting -= 1;
  show();
  stage.focus({ preventScroll: true });
  fetchMore();
}

/**
 * @param {HTMLElement} answer
 * @param {object} body
 * @returns {Promise<number | null>} the grade, or null where it was refused
 */
async function send(answer, body) {
  countSaving(1);
  try {
    return (await postJson(`${base}/grades`, body, { keepalive: true })).grade_id;
  } catch (error) {
    const at = past.findIndex((entry) => entry.answer === answer);
    if (at >= 0) past.splice(at, 1);
    if (/** @type {any} */ (error).status !== 409) {
      queue.unshift(answer);
      waiting += 1;
    }
    show();
    toastError(error);
    return null;
  } finally {
    countSaving(-1);
  }
}

async function undo() {
  const entry = past.pop();
  if (!entry) return;
  const gradeId = await entry.saved;
  if (gradeId === null) return;
  try {
    await postJson(`${base}/grades/undo`, { grade_id: gradeId });
    queue.unshift(entry.answer);
    waiting += 1;
  } catch (error) {
    past.push(entry);
    toastError(error);
  }
  show();
}

const input = /** @type {HTMLInputElement} */ (part("true-class"));
const naming = new Typeahead(input, {
  entries: [],
  onPick: (entry) => give("wrong", Number(entry.id)),
  onCancel: () => {
    closeNaming();
    stage.focus({ preventScroll: true });
  },
});

function openNaming() {
  if (!queue.length) return;
  part("naming").hidden = false;
  input.focus();
  naming.open();
}

function closeNaming() {
  part("naming").hidden = true;
}

/** @param {string} verdict */
function choose(verdict) {
  if (verdict === "wrong") openNaming();
  else give(verdict);
}

for (const button of buttons()) {
  const verdict = button.dataset.verdict ?? "";
  button.addEventListener("click", () => choose(verdict));
  bind(button.getAttribute("aria-keyshortcuts") ?? "", button.title, () => choose(verdict), { group: "Grade" });
}
part("answer").addEventListener("click", (event) => {
  const choice = event.target instanceof Element ? event.target.closest("[data-class-id].suggestion") : null;
  if (choice instanceof HTMLElement) give("correct", Number(choice.dataset.classId));
});
undoButton.addEventListener("click", undo);
bind("z", "Undo the last grade", undo, { group: "Grade" });
getJson(`${base}/classes.json`)
  .then((found) => naming.setEntries(found.classes))
  .catch(toastError);
show();
fetchMore();
