// @ts-check
// The labelling screen: every act has a key, and a button for those who have none.
import { bind } from "../core/keys.js";
import { t } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";
import { Answers } from "./answers.js";
import { ClassList } from "./class_list.js";
import { bindClassKeys, bindCommands } from "./commands.js";
import { watchDay, watchDialogs } from "./day.js";
import { Deck } from "./deck.js";
import { earlierEntries } from "./earlier.js";
import { Journal } from "./journal.js";
import { NoteBox } from "./note_box.js";
import { Outbox } from "./outbox.js";
import { Pace } from "./pace.js";
import { ClassPicker } from "./picker.js";
import { sendAgain } from "./restore.js";
import { byId, Stage } from "./stage.js";
import { watchStandard } from "./standard.js";
import { watchSwipes } from "./swipe.js";

/** @typedef {import("./stage.js").Choice} Choice */

const RENEW_MS = 4 * 60_000;
const CHOICES = 9;
const stage = new Stage();
const { project, policy, role, user, first, keys } = stage.root.dataset;
const base = `/projects/${project}`;
const list = new ClassList(base);
const pace = new Pace();
const journal = new Journal(`${user}:${project}`);
const left = journal.all();
const outbox = new Outbox(onSent, journal);
const deck = new Deck({ base, policy: policy ?? "newest", first: Number(first) || null, held: left.map((one) => one.image), onNews });
const answers = new Answers({ base, deck, outbox, pace, onChange: show });
const input = /** @type {HTMLInputElement} */ (byId("class-input"));
const picker = new ClassPicker(input, { list, mayMake: role !== "labeller", onPick: label, onCancel: () => stage.focus(), imageId: () => deck.current?.id ?? null });
const notes = new NoteBox({ base, outbox, current: () => deck.current, onDone: () => show(), onRefused: toastError });
const summarise = watchDay(base);
const standard = watchStandard(base);
let summarised = -1;
/** @type {Choice[]} */
let choices = [];

/** @param {number} waiting answers on their way; after the last one, an empty stage looks again */
function onSent(waiting) {
  stage.showSaving(waiting, outbox.isStopped, answers.saved);
  if (waiting || deck.current) return;
  if (answers.saved) void deck.fetch();
  if (!stage.empty.hidden && summarised !== answers.saved) summarise();
  summarised = answers.saved;
}

const answered = () => answers.entries.filter((one) => one.counts).length;

/** @param {any} news what the server told with the next images; null: it did not answer */
function onNews(news) {
  if (!news) return show();
  const { version_number, waiting, today, earlier, answered: before } = news;
  if (earlier.length && !answers.entries.length) {
    deck.add(before, true);
    const items = new Map(deck.items.map((item) => [item.id, item]));
    answers.entries.unshift(...earlierEntries(earlier, items, (reason) => stage.reasonWords(reason)));
  }
  if (!pace.told) pace.today = today; // Later ones are counted here as they are confirmed.
  pace.told = { waiting, answered: answered() - outbox.waiting };
  stage.sayVersion(version_number ? t("Suggested by v{version}, then the classes used last", { version: String(version_number) }) : t("No version yet: the classes used last"));
  show();
}

/** @param {string} [words] to be said aloud */
function show(words) {
  const item = deck.current;
  choices = (item?.suggestions ?? []).map((one) => ({ class_id: one.class_id, words: one.name, confidence: one.confidence }));
  const known = new Set(choices.map((one) => one.words));
  for (const recent of list.recent) {
    if (choices.length < CHOICES && !known.has(recent.words)) choices.push(recent);
    known.add(recent.words);
  }
  stage.show(item, choices, deck.isFetching || !deck.isExhausted);
  pace.show(answered());
  stage.showSaving(outbox.waiting, outbox.isStopped, answers.saved);
  standard(item ? choices[0]?.class_id : undefined, choices[0]?.words);
  if (words) stage.say(words, item, choices);
  if (document.activeElement === document.body) stage.focus();
}

/** @param {Choice} chosen */
function label({ class_id, sub_class_id, words, confidence }) {
  const item = deck.current;
  stage.focus();
  if (!item) return;
  list.use({ class_id, sub_class_id, words });
  const { version_id } = deck.version;
  const fine = sub_class_id === undefined ? {} : { sub_class_id };
  const isAccepted = confidence !== undefined && version_id !== null;
  const suggestion = { version_id, confidences: { [item.id]: confidence } };
  const how = isAccepted ? { how: "accepted_suggestion", suggestion } : {};
  answers.give({ act: "label", class_id, ...fine, ...how }, words);
}

/** @param {number} at a digit minus one */
function choose(at) {
  if (stage.asksReason) judge(stage.reasonAt(at));
  else if (choices[at]) label(choices[at]);
}

/** @param {string | undefined} reason */
function judge(reason) {
  if (!reason) return;
  stage.closeReasons();
  answers.give({ act: "not_good", reason }, t("Not good: {reason}", { reason: stage.reasonWords(reason) }));
}

function acceptFirst() {
  if (choices[0]?.confidence !== undefined) label(choices[0]);
  else if (deck.current) toast(t("There is no prediction for this image to accept. A digit picks a class."));
}

/** @param {number} step */
function move(step) {
  deck.move(step);
  show();
}

function turn() {
  const item = deck.current;
  if (item) answers.give({ act: "rotate" }, t("Turned"), { stays: true, after: { turn: (item.turn + 90) % 360 } });
}

function flagSmall() {
  const item = deck.current;
  if (!item) return;
  const act = item.small ? "not_small_subject" : "small_subject";
  answers.give({ act }, item.small ? t("No small subject") : t("Small subject"), { stays: true, after: { small: !item.small } });
}

/** @type {Record<string, () => unknown>} */
const acts = {
  accept: acceptFirst,
  find: () => picker.open(),
  unknown: () => answers.give({ act: "unknown" }, t("Unknown")),
  none: () => answers.give({ act: "none" }, t("None of the classes")),
  not_good: () => (stage.asksReason ? stage.closeReasons() : deck.current && stage.askReason()),
  small: flagSmall,
  rotate: turn,
  skip: () => answers.give({}, t("Skipped"), { path: "label/skip" }),
  note: () => notes.open(),
  remove: () => answers.give({ act: "remove" }, t("Removed")),
  undo: () => answers.undo(),
  redo: () => answers.redo(),
  back: () => move(-1),
  next: () => move(1),
};

const own = JSON.parse(keys ?? "{}");
const group = { group: t("Labelling") };
bindCommands(own, acts);
for (let digit = 1; digit <= CHOICES; digit++) bind(String(digit), t("Choose answer {digit}", { digit }), () => choose(digit - 1), group);
bind("Escape", t("Leave the reasons"), () => stage.asksReason && stage.closeReasons(), group);
stage.choices.forEach((button, at) => button.addEventListener("click", () => choose(at)));
stage.onPress("[data-act]", (button) => acts[button.dataset.act ?? ""]?.());
stage.onPress("[data-reason]", (button) => judge(button.dataset.reason));
watchSwipes(stage.frame, stage.picture, { right: acceptFirst, left: () => acts.skip(), up: () => picker.open() });
byId("queue-policy").addEventListener("change", () => /** @type {HTMLFormElement} */ (byId("queue-form")).requestSubmit());
setInterval(() => document.visibilityState === "visible" && deck.items.length && deck.fetch(0), RENEW_MS);

sendAgain(left, outbox, base);
watchDialogs();
stage.focus();
const loaded = list.load().then(() => bindClassKeys(list.all, own, (one) => picker.pick(one.id)), (error) => toastError(error, () => list.load().then(() => show())));
await Promise.all([loaded, deck.fetch()]);
show();
document.body.dataset.ready = "label";
