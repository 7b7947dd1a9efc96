import { byId } from "./dom.ts";

/** The address holds everything that is set; `hasOwnHead`: but not a reader's file. */
export function bindCopyLink(hasOwnHead: () => boolean): void {
  const note = byId("link-note", HTMLElement);
  byId("link-copy", HTMLButtonElement).addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      note.textContent = hasOwnHead()
        ? "Copied: the settings, without your file, which stays here."
        : "Copied.";
    } catch {
      // Refused, or an address without https, where there is no clipboard at all.
      note.textContent = "The browser refused the clipboard: copy the address from its bar.";
    }
  });
}
