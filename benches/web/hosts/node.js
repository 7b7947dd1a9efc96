import { fork } from "node:child_process";

/** Contestants as processes of this Node. */
export async function nodeHost() {
  return {
    name: `Node ${process.versions.node}`,
    reportsMemory: true,
    open: async () => openChild(),
    close: async () => {},
  };
}

function openChild() {
  // What peers print would stand among the tables.
  const child = fork(new URL("../child.js", import.meta.url), {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  let settle;
  child.on("message", ({ result, error }) => {
    if (error) settle?.reject(Object.assign(new Error(error.message), { code: error.code }));
    else settle?.resolve(result);
  });
  child.on("exit", (code, signal) =>
    settle?.reject(new Error(`its process ended (${signal ?? `status ${code}`})`)),
  );
  return {
    call: (method, ...args) =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject };
        if (!child.connected) reject(new Error("its process has ended"));
        else child.send({ method, args });
      }),
    close: async () => {
      child.kill("SIGKILL");
    },
  };
}
