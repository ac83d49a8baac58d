'use strict';

// Runs scenarios and prints a line of JSON behind an '@' for each result. With
// scenarios named it runs them and exits 1 if one fails. Without, it reads
// commands from standard input (run SCENARIO, signal SCENARIO WORD) until its end.

const readline = require('node:readline');
const { inspect } = require('node:util');

function print(fields) {
  process.stdout.write(`@${JSON.stringify(fields)}\n`);
}

const sleep = ms => new Promise(resolve => { setTimeout(resolve, ms); });

function same(got, want, what) {
  const g = JSON.stringify(got);
  const w = JSON.stringify(want);
  if (g !== w) throw new Error(`${what}: got ${g}, want ${w}`);
}

/** Fails unless the condition comes true within some seconds. */
async function eventually(seconds, what, holds) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await holds()) return;
    await sleep(20);
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

/** The surroundings of one run: names of its own, clients that end with it. */
class Case {
  constructor(endpoints, prefix, name) {
    this.sslEnabled = name === 'tls';
    this.endpoints = this.sslEnabled ? process.env.TLS_ENDPOINTS : endpoints;
    this.name = name;
    this.topic = `${prefix}_${name}`;
    this.group = `g_${this.topic}`;
    this.open = [];
    this.signalled = new Promise(resolve => { this.signal = resolve; });
  }

  note(text) {
    print({ scenario: this.name, note: text });
  }

  /** Tells the test that something is to be done and waits until it was. */
  async ask(what) {
    print({ scenario: this.name, event: what });
    const late = sleep(60000).then(() => 'nothing within a minute');
    same(await Promise.race([ this.signalled, late ]), what, 'what the test did');
  }

  async close() {
    for (const client of this.open.reverse()) {
      await client.shutdown().catch(() => {}); // the scenario may have shut it down
    }
  }
}

class Runner {
  constructor(table, endpoints, prefix) {
    Object.assign(this, { table, endpoints, prefix, running: new Map(), tasks: [], failed: false });
  }

  start(name) {
    const c = new Case(this.endpoints, this.prefix, name);
    this.running.set(name, c);
    this.tasks.push(this.run(c)); // all at once: they mostly wait
  }

  async run(c) {
    const begin = Date.now();
    let error = '';
    try {
      await this.table[c.name](c);
    } catch (e) {
      error = inspect(e); // with what it was caused by
      this.failed = true;
    }
    print({ scenario: c.name, done: true, millis: Date.now() - begin, error });
    await c.close(); // which waits for polls that are under way
  }

  tell(line) {
    const [ command, name, ...rest ] = line.split(' ');
    if (command === 'run') this.start(name);
    if (command === 'signal') this.running.get(name).signal(rest.join(' '));
  }

  idle() {
    return Promise.all(this.tasks);
  }
}

async function main(table, args) {
  if (args.length < 3) {
    console.error(`usage: scenarios.js ENDPOINTS PREFIX NAMESRV [SCENARIO...]; scenarios: ${Object.keys(table).join(' ')}`);
    process.exit(2);
  }
  const runner = new Runner(table, args[0], args[1]);
  args.slice(3).forEach(name => runner.start(name));
  if (args.length === 3) {
    for await (const line of readline.createInterface({ input: process.stdin })) runner.tell(line);
  }
  await runner.idle();
  process.exit(runner.failed ? 1 : 0); // clients leave timers behind
}

module.exports = { eventually, main, same, sleep };
