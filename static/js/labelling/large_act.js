// @ts-check
// An act on more images than go at once: the server does it as a run, with one undo in the history.
import { postJson } from "../core/fetch.js";
import { t } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";
import { requestKey } from "./outbox.js";

/**
 * @param {string} base of the project
 * @param {import("./grid_actions.js").Act} act
 * @param {import("../core/grid_choice.js").Choice} choice all that match
 */
export async function beginLarge(base, act, choice) {
  const body = { ...act, selection: choice.selection, how: "grid", request_key: requestKey() };
  const begin = async () => {
    try {
      const { address } = await postJson(`${base}/labels/many`, body);
      const action = { label: t("Watch it"), run: () => location.assign(address) };
      toast(t("All that match: this goes on in the background, and History undoes it as one."), { action });
    } catch (error) {
      toastError(error, begin);
    }
  };
  await begin();
}
