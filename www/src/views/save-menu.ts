import { element } from "./dom.ts";

export interface SaveItem {
  label: string;
  /** Null while there is nothing to save. */
  make(): Promise<{ name: string; content: Blob } | null>;
}

/** A small menu of files that are made in this tab when they are asked for. */
export function saveMenu(what: string, items: readonly SaveItem[]): HTMLDetailsElement {
  const summary = element("summary", { "aria-label": `Save ${what}` }, "Save");
  const list = element("div", { class: "save-items" });
  const root = element("details", { class: "save" }, summary, list);
  for (const { label, make } of items) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      const file = await make().finally(() => {
        button.disabled = false;
      });
      root.open = false;
      summary.focus();
      if (file) download(file.name, file.content);
    });
    list.append(button);
  }
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !root.open) return;
    root.open = false;
    summary.focus();
  });
  root.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !root.contains(event.relatedTarget)) root.open = false;
  });
  return root;
}

function download(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  element("a", { href: url, download: name }).click();
  // The browser has taken the file by the next task.
  setTimeout(() => URL.revokeObjectURL(url));
}
