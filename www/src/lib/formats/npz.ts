import { type Unzipped, unzipSync } from "fflate";
import type { Tensor } from "../tensor.ts";
import { parseNpy } from "./npy.ts";

/** Of all arrays together, unpacked: a small archive can hold any number of zeros. */
const MAX_BYTES = 256 * 2 ** 20;

/** Reads those arrays of an archive of NumPy's that have a wanted name. Throws an `Error` that says what is wrong. */
export function parseNpz(bytes: Uint8Array, wanted: (name: string) => boolean): Map<string, Tensor> {
  let total = 0;
  const tensors = new Map<string, Tensor>();
  for (const [file, content] of Object.entries(unzip())) {
    const name = file.replace(/\.npy$/, "");
    try {
      tensors.set(name, parseNpy(content));
    } catch (error) {
      throw new Error(`npz: array ${name}: ${(error as Error).message}`);
    }
  }
  return tensors;

  function unzip(): Unzipped {
    try {
      return unzipSync(bytes, {
        filter: ({ name, originalSize }) => {
          if (!name.endsWith(".npy") || !wanted(name.slice(0, -4))) return false;
          total += originalSize;
          // No more than this is written, whatever the packed bytes would unpack to.
          if (total > MAX_BYTES) throw new Error(`its arrays unpack to more than ${MAX_BYTES / 2 ** 20} MB`);
          return true;
        },
      });
    } catch (error) {
      throw new Error(`npz: the archive cannot be unpacked (${(error as Error).message})`);
    }
  }
}
