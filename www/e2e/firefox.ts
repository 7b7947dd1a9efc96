import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

/** Debian's own; scripts/setup.sh installs it. */
const BINARY = "/usr/bin/firefox-esr";
const START_MS = 60_000;
const ENTER = "\uE007";

type Answer = { id?: number; method?: string; params?: Entry; result?: unknown; message?: string };
type Entry = { level: string; text: string };

/**
 * A Firefox as it is installed, with one page, driven by WebDriver BiDi: the few commands that a test needs. Playwright's Firefox
 * is one of its own, and what it asks of an installed one is newer than the release with long support.
 */
export class Firefox {
  /** Errors and warnings in the console, and violations of the policy. */
  readonly faults: string[] = [];
  readonly #process: ChildProcess;
  readonly #profile: string;
  #socket!: WebSocket;
  #context = "";
  #sent = 0;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();

  static async launch(): Promise<Firefox> {
    const firefox = new Firefox();
    try {
      await firefox.#connect();
      return firefox;
    } catch (error) {
      await firefox.close();
      throw error;
    }
  }

  private constructor() {
    this.#profile = mkdtempSync(join(tmpdir(), "scatterbrain-firefox-"));
    const args = ["--headless", "--no-remote", "--profile", this.#profile, "--remote-debugging-port", "0"];
    this.#process = spawn(BINARY, [...args, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  }

  async goto(url: string): Promise<void> {
    await this.#send("browsingContext.navigate", { context: this.#context, url, wait: "complete" });
  }

  /** The function goes to the page as text, and what it returns comes back as JSON. */
  async evaluate<T>(read: () => T | Promise<T>): Promise<T> {
    const expression = `Promise.resolve((${read})()).then((value) => JSON.stringify(value ?? null))`;
    const target = { context: this.#context };
    const { type, result, exceptionDetails } = (await this.#send("script.evaluate", {
      expression,
      target,
      awaitPromise: true,
    })) as { type: string; result: { value: string }; exceptionDetails?: { text: string } };
    if (type !== "success") throw new Error(exceptionDetails?.text);
    return JSON.parse(result.value);
  }

  /** Into whatever has the focus, and Enter. */
  async type(text: string): Promise<void> {
    const actions = [...text, ENTER].flatMap((value) => [
      { type: "keyDown", value },
      { type: "keyUp", value },
    ]);
    await this.#send("input.performActions", {
      context: this.#context,
      actions: [{ type: "key", id: "keyboard", actions }],
    });
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("close", resolve));
    this.#socket?.close();
    // Nothing of this profile is worth an orderly end.
    if (this.#process.exitCode === null && this.#process.kill("SIGKILL")) await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  async #connect(): Promise<void> {
    this.#socket = new WebSocket(`${await this.#address()}/session`);
    await new Promise((resolve, reject) => this.#socket.once("open", resolve).once("error", reject));
    this.#socket.on("message", (data) => this.#receive(JSON.parse(String(data))));
    await this.#send("session.new", { capabilities: {} });
    await this.#send("session.subscribe", { events: ["log.entryAdded"] });
    await this.#send("script.addPreloadScript", {
      functionDeclaration: `() => addEventListener("securitypolicyviolation", (event) =>
        console.error("policy: " + event.violatedDirective + " " + event.blockedURI))`,
    });
    const created = await this.#send("browsingContext.create", { type: "tab" });
    this.#context = (created as { context: string }).context;
  }

  /** Firefox chooses a free port, and says which. */
  #address(): Promise<string> {
    return new Promise((resolve, reject) => {
      const seen: string[] = [];
      const fail = (what: string) => reject(new Error(`${BINARY} ${what}:\n${seen.join("\n")}`));
      const timer = setTimeout(fail, START_MS, "did not start");
      this.#process.once("error", reject).once("close", () => fail("ended"));
      createInterface({ input: this.#process.stderr as NodeJS.ReadableStream }).on("line", (line) => {
        seen.push(line);
        const [, address] = /WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? [];
        if (!address) return;
        clearTimeout(timer);
        resolve(address);
      });
    });
  }

  #send(method: string, params: object): Promise<unknown> {
    const id = ++this.#sent;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #receive({ id, method, params, result, message }: Answer): void {
    if (method === "log.entryAdded" && params && /^(error|warn)$/.test(params.level)) {
      this.faults.push(`${params.level}: ${params.text}`);
    }
    const asked = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || !asked) return;
    this.#waiting.delete(id);
    if (message === undefined) asked.resolve(result);
    else asked.reject(new Error(message));
  }
}
