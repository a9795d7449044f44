// @ts-check
// A secret that is shown once can be copied by one press.
import { toast } from "./core/toast.js";

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.getAttribute("data-copy") ?? "");
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.textContent ?? "");
      toast("Copied.");
    } catch {
      getSelection()?.selectAllChildren(source);
      toast("Selected: copy it with the keyboard.", { kind: "warn" });
    }
  });
}
