/** The code of a worker in Node. */
import { parentPort } from "node:worker_threads";
import { serve } from "./serve.js";

parentPort?.on(
  "message",
  serve((report, transfer) => parentPort?.postMessage(report, transfer)),
);
