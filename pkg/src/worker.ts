/** The code of a browser's worker. */
import type { Order } from "./protocol.js";
import { serve } from "./serve.js";

const obey = serve((report, transfer) => postMessage(report, { transfer }));
addEventListener("message", ({ data }: MessageEvent<Order>) => obey(data));
