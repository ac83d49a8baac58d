'use strict';

// Scenarios with the published Node.js client of the gRPC protocol:
// scenarios.js ENDPOINTS PREFIX NAMESRV [SCENARIO...]; see frame.js. The other
// clients' scenarios have the same names. Topics and groups are there already;
// the name server is not asked.

const { LitePushConsumerImpl, Producer, PushConsumer, SimpleConsumer, FilterExpression, ConsumeResult, OffsetOption } = require('rocketmq-client-nodejs');
const { FilterType, TransactionResolution } = require('rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb');
const { eventually, main, same, sleep } = require('./frame');

const INVISIBLE = 10000; // ms, the shortest that a server takes a message out of sight for
const AWAIT = 14000; // ms, longer than that

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

// Clients are whom the environment names; without that they sign nothing.
const { ROCKETMQ_ACCESS_KEY: accessKey, ROCKETMQ_SECRET_KEY: accessSecret } = process.env;
const sessionCredentials = accessKey && { accessKey, accessSecret };

const options = (c, more) => ({
  endpoints: c.endpoints, sslEnabled: c.sslEnabled, namespace: '', sessionCredentials, logger: quiet, requestTimeout: 10000, ...more,
});

async function started(c, client) {
  await client.startup();
  c.open.push(client);
  return client;
}

// One topic, since the client misses the server's answer to its settings if that
// comes while it still asks for another topic's route, and then waits for ever.
const producer = (c, topic) => started(c, new Producer(options(c, { topic })));

const transactionProducer = (c, check) => started(c, new Producer(options(c, { topic: c.topic, checker: { check } })));

const simple = (c, filter = FilterExpression.SUB_ALL) => started(c, new SimpleConsumer(options(c, {
  consumerGroup: c.group, subscriptions: new Map([[ c.topic, filter ]]), awaitDuration: AWAIT,
})));

const push = (c, consume) => started(c, new PushConsumer(options(c, {
  consumerGroup: c.group, subscriptions: new Map([[ c.topic, FilterExpression.SUB_ALL ]]), messageListener: { consume },
})));

// At its start the client says without waiting that it wants no lite topic. What it says right after that can reach the server
// before it, and then holds only when the client says everything again half a minute later.
async function lite(c, consume) {
  const consumer = await started(c, new LitePushConsumerImpl(options(c, {
    consumerGroup: c.group, bindTopic: c.topic, messageListener: { consume },
  })));
  await sleep(1000);
  return consumer;
}

const message = (topic, body, more) => ({ topic, body: Buffer.from(body), ...more });

const bodyOf = m => m.body.toString();
const bodiesOf = messages => messages.map(bodyOf).sort();

async function sendMany(c, p, label, count) {
  const bodies = [];
  for (let i = 0; i < count; i++) {
    const body = `${label}-${String(i).padStart(4, '0')}`;
    await p.send(message(c.topic, body));
    bodies.push(body);
  }
  return bodies;
}

const receive = (consumer, count = 16, hidden = INVISIBLE) => consumer.receive(count, hidden);

/** The next message, which must come in time. */
async function one(consumer, hidden) {
  let got = [];
  await eventually(AWAIT / 1000, 'a message comes', async () => {
    got = await receive(consumer, 1, hidden);
    return got.length > 0;
  });
  return got[0];
}

/** Receives these bodies, once each, and acknowledges them. */
async function receiveExactly(consumer, want) {
  const messages = [];
  while (messages.length < want.length) {
    const some = await receive(consumer);
    if (some.length === 0) break;
    messages.push(...some);
  }
  same(bodiesOf(messages), [ ...want ].sort(), 'received bodies');
  for (const m of messages) await consumer.ack(m);
  return messages;
}

/** What a push consumer has received, in order. */
class Inbox {
  constructor() {
    this.got = [];
    this.take = m => {
      this.got.push(m);
      return ConsumeResult.SUCCESS;
    };
  }

  /** Waits for these bodies, and a little for one too many. */
  async awaitExactly(want, seconds) {
    await eventually(seconds, `these come: ${want}`, () => this.got.length >= want.length);
    await sleep(500);
    same(bodiesOf(this.got), [ ...want ].sort(), 'received bodies');
  }
}

/** Bodies such as a-0001 must have come in order for every letter. */
function inOrder(messages) {
  const last = {};
  for (const body of messages.map(bodyOf)) {
    const key = body.split('-')[0];
    if (body <= (last[key] || '')) throw new Error(`${body} came behind ${last[key]}`);
    last[key] = body;
  }
}

/** The call must fail, with this status if the server said so. */
async function refused(call, status = '') {
  try {
    await call();
  } catch (e) {
    if (!`${e.code} ${e.message}`.includes(status)) throw new Error(`${e.stack}, want ${status}`);
    return;
  }
  throw new Error(`was accepted, want refusal ${status}`);
}

async function sendReceiveAck(c) {
  const p = await producer(c, c.topic);
  const ids = {};
  for (let i = 0; i < 10; i++) {
    const properties = new Map([[ 'colour', 'green' ]]);
    const sent = await p.send(message(c.topic, `body-${i}`, { tag: 'tag', keys: [ `key-${i}`, 'all' ], properties }));
    ids[`body-${i}`] = sent.messageId;
  }
  const consumer = await simple(c);
  for (const m of await receiveExactly(consumer, Object.keys(ids))) {
    const body = bodyOf(m);
    same(m.messageId, ids[body], `id of ${body}`);
    same(m.topic, c.topic, 'topic');
    same(m.tag, 'tag', 'tag');
    same([ ...m.keys ].sort(), [ 'all', `key-${body.slice(5)}` ], 'keys');
    same(m.properties.get('colour'), 'green', 'property');
    same(m.deliveryAttempt, 1, 'delivery attempt');
    if (Math.abs(Date.now() - m.bornTimestamp.getTime()) > 60000) throw new Error(`born at ${m.bornTimestamp}`);
  }
  same(bodiesOf(await receive(consumer)), [], 'what came after it was acknowledged');
}

/** Out of sight for shorter and for longer. */
async function changeInvisible(c) {
  const p = await producer(c, c.topic);
  const consumer = await simple(c);
  await p.send(message(c.topic, 'again'));
  const m = await one(consumer, 30000);
  same(m.deliveryAttempt, 1, 'first delivery attempt');
  const begin = Date.now();
  await consumer.changeInvisibleDuration(m, 1000);
  const again = await one(consumer);
  c.note(`hidden for 1 s, again after ${Date.now() - begin} ms`);
  same(again.messageId, m.messageId, 'id');
  same(again.deliveryAttempt, 2, 'second delivery attempt');
  await consumer.changeInvisibleDuration(again, 40000);
  same(bodiesOf(await receive(consumer)), [], 'what came while it was out of sight');
}

async function simpleDeadLetter(c) {
  const p = await producer(c, c.topic);
  await p.send(message(c.topic, 'poison'));
  const consumer = await simple(c);
  for (const attempt of [ 1, 2 ]) {
    const m = await one(consumer);
    same(m.deliveryAttempt, attempt, 'delivery attempt');
    await consumer.changeInvisibleDuration(m, 1000);
  }
  same(bodiesOf(await receive(consumer, 1)), [], 'what came after the last attempt');
  await c.ask('look');
}

/** A receive that waits must return as soon as a message is there. */
async function longPollWakes(c) {
  const p = await producer(c, c.topic);
  const consumer = await simple(c);
  let slowest = 0;
  for (let i = 0; i < 5; i++) {
    let back = false;
    const waiting = receive(consumer, 1).finally(() => { back = true; });
    await sleep(700); // until it waits
    if (back) throw new Error('did not wait');
    const begin = Date.now();
    await p.send(message(c.topic, `wake-${i}`));
    const got = await waiting;
    slowest = Math.max(slowest, Date.now() - begin);
    same(bodiesOf(got), [ `wake-${i}` ], 'what woke it');
    await consumer.ack(got[0]);
  }
  c.note(`slowest of 5: ${slowest} ms`);
  if (slowest > 4000) throw new Error(`a waiting consumer got its message after ${slowest} ms`);
}

async function tagFilter(c) {
  const p = await producer(c, c.topic);
  const want = [];
  for (let i = 0; i < 16; i++) {
    const tag = `Tag${'ABCD'[i % 4]}`;
    await p.send(message(c.topic, `${tag}-${i}`, { tag }));
    if (i % 2 === 0) want.push(`${tag}-${i}`);
  }
  await receiveExactly(await simple(c, new FilterExpression('TagA || TagC')), want);
}

async function sqlFilter(c) {
  const p = await producer(c, c.topic);
  const want = [];
  for (let i = 0; i < 20; i++) {
    const properties = new Map([[ 'n', String(i) ], [ 'colour', [ 'red', 'blue' ][i % 2] ]]);
    await p.send(message(c.topic, `number-${i}`, { properties }));
    if (i >= 10 && i % 2 === 0) want.push(`number-${i}`);
  }
  await receiveExactly(await simple(c, new FilterExpression('n >= 10 AND colour = \'red\'', FilterType.SQL)), want);
}

/** The highest first, whatever was sent first. The client takes 0 for no priority. */
async function priority(c) {
  const p = await producer(c, c.topic);
  for (let i = 1; i < 4; i++) await p.send(message(c.topic, `priority-${i}`, { priority: i }));
  await sleep(500); // the original shows a message to readers a moment after it has acknowledged it
  const consumer = await simple(c);
  const got = [];
  for (let i = 1; i < 4; i++) {
    const m = await one(consumer);
    got.push(bodyOf(m));
    await consumer.ack(m);
  }
  same(got, [ 'priority-3', 'priority-2', 'priority-1' ], 'order');
}

async function pushed(c) {
  const inbox = new Inbox();
  const p = await producer(c, c.topic);
  const bodies = await sendMany(c, p, 'early', 10);
  await push(c, inbox.take);
  bodies.push(...await sendMany(c, p, 'late', 10));
  await inbox.awaitExactly(bodies, 30);
}

/** Sends bodies such as a-0001 in message groups named as their first letter. */
async function sendGroups(c, groups, each) {
  const p = await producer(c, c.topic);
  const bodies = [];
  for (let i = 0; i < each; i++) {
    for (const messageGroup of groups) {
      const body = `${messageGroup}-${String(i).padStart(4, '0')}`;
      await p.send(message(c.topic, body, { messageGroup }));
      bodies.push(body);
    }
  }
  return bodies;
}

async function fifo(c) {
  const bodies = await sendGroups(c, 'abc', 8);
  const inbox = new Inbox();
  await push(c, inbox.take);
  await inbox.awaitExactly(bodies, 60);
  inOrder(inbox.got);
  for (const m of inbox.got) same(m.messageGroup, bodyOf(m)[0], 'message group');
}

/** What cannot be consumed is set aside after two attempts, and what is behind it comes in order. */
async function fifoDeadLetter(c) {
  const bodies = await sendGroups(c, 'ab', 3);
  const inbox = new Inbox();
  let tries = 0;
  await push(c, m => {
    if (bodyOf(m) !== 'a-0000') return inbox.take(m);
    tries++;
    return ConsumeResult.FAILURE;
  });
  await inbox.awaitExactly(bodies.filter(b => b !== 'a-0000'), 60);
  inOrder(inbox.got);
  await eventually(20, 'two attempts', () => tries >= 2);
  await c.ask('look');
  same(tries, 2, 'attempts');
}

async function retryToDeadLetter(c) {
  const p = await producer(c, c.topic);
  await p.send(message(c.topic, 'poison'));
  const attempts = [];
  await push(c, m => {
    attempts.push(m.deliveryAttempt);
    return ConsumeResult.FAILURE;
  });
  await eventually(60, 'three attempts', () => attempts.length >= 3);
  await c.ask('look');
  same(attempts, [ 1, 2, 3 ], 'delivery attempts');
}

/** The original counts in seconds and may be one early or some late. */
async function delay(c) {
  const came = {};
  const inbox = new Inbox();
  await push(c, m => {
    came[bodyOf(m)] = Date.now();
    return inbox.take(m);
  });
  const p = await producer(c, c.topic);
  const now = Date.now();
  const due = { 'after-6': now + 6000, 'after-3': now + 3000 };
  for (const [ body, at ] of Object.entries(due)) await p.send(message(c.topic, body, { deliveryTimestamp: new Date(at) }));
  await inbox.awaitExactly(Object.keys(due), 40);
  for (const [ body, at ] of Object.entries(due)) {
    const late = came[body] - at;
    c.note(`${body} came ${late} ms behind its time`);
    if (late < -1100 || late > 6000) throw new Error(`${body} came ${late} ms behind its time`);
  }
}

async function delayRecall(c) {
  const inbox = new Inbox();
  await push(c, inbox.take);
  const p = await producer(c, c.topic);
  const at = Date.now() + 6000;
  const recalled = await p.send(message(c.topic, 'recalled', { deliveryTimestamp: new Date(at) }));
  const kept = await p.send(message(c.topic, 'kept', { deliveryTimestamp: new Date(at + 1000) }));
  same((await p.recallMessage(c.topic, recalled.recallHandle)).messageId, recalled.messageId, 'id');
  await inbox.awaitExactly([ 'kept' ], 30);
  await refused(() => p.recallMessage(c.topic, kept.recallHandle), '50001');
}

async function transaction(c) {
  const p = await transactionProducer(c, async () => TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED);
  const inbox = new Inbox();
  await push(c, inbox.take);
  const yes = p.beginTransaction();
  const no = p.beginTransaction();
  const sent = await p.send(message(c.topic, 'yes'), yes);
  await p.send(message(c.topic, 'no'), no);
  await sleep(500);
  same(bodiesOf(inbox.got), [], 'messages before the commit');
  await yes.commit();
  await no.rollback();
  await inbox.awaitExactly([ 'yes' ], 30);
  same(inbox.got[0].messageId, sent.messageId, 'id');
}

/** Transactions that are left open are asked for. */
async function transactionCheck(c) {
  const asked = new Set();
  const p = await transactionProducer(c, async m => {
    asked.add(bodyOf(m));
    return bodyOf(m) === 'yes' ? TransactionResolution.COMMIT : TransactionResolution.ROLLBACK;
  });
  const inbox = new Inbox();
  await push(c, inbox.take);
  for (const body of [ 'yes', 'no' ]) await p.send(message(c.topic, body), p.beginTransaction());
  await eventually(40, 'both are asked for', () => asked.size === 2);
  await inbox.awaitExactly([ 'yes' ], 20);
}

/** The client looks at what the route says a topic takes, so the server's own check is not reached. */
/** Messages come from the lite topics that are wanted, in order in each, and once more if one fails. */
async function liteTopics(c) {
  const p = await producer(c, c.topic);
  const send = (liteTopic, body) => p.send(message(c.topic, body, { liteTopic }));
  for (let i = 0; i < 3; i++) for (const name of 'abc') await send(name, `${name}-${i}`);
  const inbox = new Inbox();
  let failed = 0;
  const consumer = await lite(c, m => {
    if (bodyOf(m) === 'a-1' && failed++ === 0) return ConsumeResult.FAILURE;
    return inbox.take(m);
  });
  await consumer.subscribeLite('a');
  await consumer.subscribeLite('c', OffsetOption.MAX_OFFSET);
  const want = [ 'a-0', 'a-1', 'a-2' ];
  await inbox.awaitExactly(want, 60);
  inOrder(inbox.got);
  for (const m of inbox.got) same(m.liteTopic, 'a', 'lite topic');
  await consumer.unsubscribeLite('a');
  await send('a', 'a-3');
  await send('c', 'c-3');
  await inbox.awaitExactly([ ...want, 'c-3' ], 30);
}

/** Of a lite topic that another client takes over no more messages come; this client does not listen to being told so. */
async function liteExclusive(c) {
  const p = await producer(c, c.topic);
  const send = body => p.send(message(c.topic, body, { liteTopic: 'a' }));
  const [ first, second ] = [ new Inbox(), new Inbox() ];
  const one = await lite(c, first.take);
  await one.subscribeLite('a');
  await send('1');
  await first.awaitExactly([ '1' ], 30);
  const other = await lite(c, second.take);
  await other.subscribeLite('a');
  await send('2');
  await second.awaitExactly([ '2' ], 30);
  await first.awaitExactly([ '1' ], 1);
}

async function typeRefused(c) {
  const p = await producer(c, c.topic);
  await refused(() => p.send(message(c.topic, 'normal')));
  await refused(() => p.send(message(`${c.topic}_DELAY`, 'normal')));
  await refused(() => p.send(message(`${c.topic}_NORMAL`, 'ordered', { messageGroup: 'a' })));
  await p.send(message(`${c.topic}_NORMAL`, 'normal'));
  await p.send(message(c.topic, 'ordered', { messageGroup: 'a' }));
}

async function missingTopic(c) {
  const p = await producer(c, `${c.topic}_NORMAL`);
  await refused(() => p.send(message(c.topic, 'x')), '40402');
}

main({
  send_receive_ack: sendReceiveAck,
  change_invisible: changeInvisible,
  simple_dead_letter: simpleDeadLetter,
  long_poll_wakes: longPollWakes,
  tag_filter: tagFilter,
  sql_filter: sqlFilter,
  priority,
  lite: liteTopics,
  lite_exclusive: liteExclusive,
  push: pushed,
  tls: pushed,
  fifo,
  fifo_dead_letter: fifoDeadLetter,
  retry_to_dead_letter: retryToDeadLetter,
  delay,
  delay_recall: delayRecall,
  transaction,
  transaction_check: transactionCheck,
  type_refused: typeRefused,
  missing_topic: missingTopic,
}, process.argv.slice(2));
