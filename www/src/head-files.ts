import { presetById } from "./lib/presets.ts";

/** The captured heads as files of the built page. Addresses only: a head is fetched when it is chosen. */
const files = import.meta.glob<string>("../../data/heads/*.safetensors", {
  query: "?url",
  import: "default",
  eager: true,
});

/** Absolute, because a worker resolves relative addresses against its own script. */
export function headUrl(preset: string): string {
  const { file } = presetById(preset);
  const url = files[`../../data/heads/${file}`];
  if (!file || !url) throw new Error(`No file for preset ${preset}`);
  return new URL(url, document.baseURI).href;
}
