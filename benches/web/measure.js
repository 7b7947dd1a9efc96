/** Seconds: longer than any call takes that is still of interest, and any start. */
const PATIENCE = 120;
const PATIENCE_AT_START = 20;

/** For threads that keep spinning after a call to fall asleep. */
const PAUSE = 20;

/** One implementation in one host, started when it is first needed, and again after it has failed. */
export class Seat {
  #host;
  #realm;
  /** Why it does not start. */
  #broken;
  #label;

  constructor(host, { id, threads, label }) {
    this.#host = host;
    Object.assign(this, { id, threads });
    this.#label = label;
  }

  /** With what the implementation is called besides, from its start on. */
  get label() {
    return this.#label;
  }

  /** Starts it, unless it is running. */
  async start() {
    if (this.#broken) throw this.#broken;
    if (this.#realm) return;
    try {
      this.#realm = await this.#host.open(this.threads);
      const name = await within(PATIENCE_AT_START, this.#realm.call("start", this.id, this.threads));
      if (name && !this.#label.endsWith(name)) this.#label += `, ${name}`;
    } catch (error) {
      this.#broken = error;
      await this.close();
      throw error;
    }
  }

  /** Calls a method of the contestant; a failure closes its realm, and is thrown. */
  async call(method, ...args) {
    await this.start();
    try {
      return await within(PATIENCE, this.#realm.call(method, ...args));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close() {
    await this.#realm?.close();
    this.#realm = undefined;
  }
}

/**
 * Times `task` in every seat: each computes once as a warm-up, then they take turns, so that whatever else the machine
 * does falls on all alike. Gives an entry for each: error, samples in milliseconds, or how it failed.
 */
export async function measure(seats, task, rounds) {
  const entries = [];
  for (const seat of seats.filter(({ id }) => task.by.includes(id))) {
    const { id, threads, label } = seat;
    const entry = { id, threads, label, samples: [] };
    entries.push(entry);
    await attempt(entry, async () => {
      entry.error = (await seat.call("prepare", task)).error;
    });
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < entries.length; turn++) {
      const entry = entries[(turn + round) % entries.length];
      if (entry.failure) continue;
      const seat = seats.find(({ label }) => label === entry.label);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      await attempt(entry, async () => entry.samples.push(await seat.call("sample")));
    }
  }
  return { task, entries };
}

/** Bytes by which the memory of a fresh realm grows at the most while it computes `task`. */
export async function measureMemory(seat, task) {
  const entry = { id: seat.id, threads: seat.threads, label: seat.label };
  await seat.close();
  await attempt(entry, async () => {
    entry.bytes = (await seat.call("prepare", task)).bytes;
  });
  await seat.close();
  return entry;
}

async function within(seconds, answer) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

async function attempt(entry, work) {
  try {
    await work();
  } catch (error) {
    entry.failure = error.message;
  }
}
