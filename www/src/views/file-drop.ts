/** Hears of files that are dropped anywhere on the page. */
export function listenForDrops(onFiles: (files: File[]) => void): void {
  const { classList } = document.documentElement;
  const holdsFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes("Files") === true;
  const over = (event: DragEvent) => {
    if (!holdsFiles(event)) return;
    // Without this the browser would leave the page and show the file.
    event.preventDefault();
    classList.add("dropping");
  };
  addEventListener("dragenter", over);
  addEventListener("dragover", over);
  addEventListener("dragleave", (event) => {
    // From one element to another it stays on the page.
    if (event.relatedTarget === null) classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    classList.remove("dropping");
    onFiles([...(event.dataTransfer?.files ?? [])]);
  });
}
