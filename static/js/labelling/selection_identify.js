// @ts-check
// "Identify these" in the selection bar's menu: the version in production is asked about the chosen images.
import { postJson } from "../core/fetch.js";
import { t, tn } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";

const LEADING = ["engineer", "administrator"];

/**
 * @param {{base: string, role: string, grid: import("../core/grid.js").ImageGrid}} options
 * @returns {HTMLElement[]}
 */
export function identifyActs({ base, role, grid }) {
  if (!LEADING.includes(role)) return [];
  const ask = async () => {
    try {
      const { images, address } = await postJson(`${base}/identify/chosen`, { selection: grid.selection });
      const words = tn("{n} image waits to be identified.", "{n} images wait to be identified.", images);
      toast(words, { action: { label: t("Show"), run: () => location.assign(address) } });
      grid.clear();
    } catch (error) {
      toastError(error, ask);
    }
  };
  const button = Object.assign(document.createElement("button"), { type: "button", className: "menu-entry", textContent: t("Identify these") });
  button.addEventListener("click", () => void ask());
  return [button];
}
