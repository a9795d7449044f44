// @ts-check
// Answers that an earlier visit could not send: sent now, in their order.
import { t, tn } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";

/** @typedef {import("./journal.js").Sent} Sent */

/**
 * @param {Sent[]} left the oldest first
 * @param {import("./outbox.js").Outbox} outbox
 * @param {string} base address of the project
 */
export function sendAgain(left, outbox, base) {
  let saved = 0;
  let open = left.length;
  const settled = () => {
    open -= 1;
    if (!open && saved) toast(tn("One answer from before is saved now.", "{n} answers from before are saved now.", saved));
  };
  for (const sent of left) {
    outbox.add({
      sent,
      url: () => `${base}/${sent.path}`,
      body: () => sent.body,
      done: (result) => {
        const skipped = result.skipped?.[0];
        const version = result.versions?.[sent.image];
        if (version !== undefined) outbox.takeVersion(sent.image, version);
        if (skipped?.why) toast(t("{name} stays as it is: {why}, now {now}", { name: sent.name, why: skipped.why, now: skipped.now ?? t("gone") }), { kind: "warn" });
        else saved += 1;
        settled();
      },
      failed: (error) => {
        toastError(new Error(`${sent.name}: ${error.message}`));
        settled();
      },
    });
  }
}
