"""Scenarios with the published Python client of the gRPC protocol.

scenarios.py ENDPOINTS PREFIX NAMESRV [SCENARIO...]; see frame.py. The other
clients' scenarios have the same names. Topics and groups are there already; the
name server is not asked.
"""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from frame import eventually, main, same
from rocketmq import (ClientConfiguration, ConsumeResult, Credentials, FilterExpression, LitePushConsumer, Message,
                      MessageListener, Producer, PushConsumer, SimpleConsumer, TransactionChecker, TransactionResolution)
from rocketmq.grpc_protocol import FilterType
from rocketmq.v5.exception import InternalErrorException

INVISIBLE = 10  # seconds, the shortest that a server takes a message out of sight for
AWAIT = 14  # seconds, longer than that


def configuration(c):
    """Clients are whom the environment names; without that they sign nothing."""
    user = Credentials(os.environ.get("ROCKETMQ_ACCESS_KEY"), os.environ.get("ROCKETMQ_SECRET_KEY"))
    return ClientConfiguration(c.endpoints, user, request_timeout=10)


def started(c, client, *topics):
    client.startup()
    c.at_end(client.shutdown)
    for topic in topics:
        settle(client, topic)
    return client


def settle(client, topic):
    """Has the client ask for a topic's route until it has kept it, a few times.

    What is answered before the client listens for it is handled in the thread that asked, which has no event loop, and is lost.
    """
    for _ in range(10):
        try:
            client._retrieve_topic_route_data(topic)
            return
        except Exception:  # the client says so again when it needs the route
            time.sleep(0.1)


def producer(c, *topics, checker=None):
    return started(c, Producer(configuration(c), topics or None, checker=checker, tls_enable=c.tls), *topics)


def simple(c, expression=None):
    consumer = SimpleConsumer(configuration(c), c.group, {c.topic: expression or FilterExpression()}, await_duration=AWAIT)
    return started(c, consumer, c.topic)


def push(c, consume):
    class Listener(MessageListener):
        def consume(self, message):
            return consume(message)

    return started(c, PushConsumer(configuration(c), c.group, Listener(), {c.topic: FilterExpression()},
                                   consumption_thread_count=4, tls_enable=c.tls))


def message(topic, body, **properties):
    m = Message()
    m.topic = topic
    m.body = body.encode()
    for name, value in properties.items():
        setattr(m, name, value)
    return m


def body_of(m):
    return m.body.decode()


def bodies_of(messages):
    return sorted(body_of(m) for m in messages)


def send_many(c, p, label, count):
    bodies = [f"{label}-{i:04d}" for i in range(count)]
    for body in bodies:
        p.send(message(c.topic, body))
    return bodies


def receive(consumer, count=16, hidden=INVISIBLE):
    """What comes in one call; nothing is no failure.

    The client does not wait until the server has its settings, and RocketMQ's proxy cannot receive before.
    """
    try:
        return consumer.receive(count, hidden) or []
    except InternalErrorException:
        time.sleep(0.5)
        return consumer.receive(count, hidden) or []


def one(consumer, hidden=INVISIBLE):
    """The next message, which must come in time."""
    got = []
    eventually(AWAIT, "a message comes", lambda: got.extend(receive(consumer, 1, hidden)) or got)
    return got[0]


def receive_exactly(consumer, want):
    """Receives these bodies, once each, and acknowledges them."""
    messages = []
    while len(messages) < len(want):
        some = receive(consumer)
        if not some:
            break
        messages.extend(some)
    same(bodies_of(messages), sorted(want), "received bodies")
    for m in messages:
        consumer.ack(m)
    return messages


class Inbox:
    """What a push consumer has received, in order."""

    def __init__(self):
        self._lock = threading.Lock()
        self._got = []

    def take(self, m):
        with self._lock:
            self._got.append(m)
        return ConsumeResult.SUCCESS

    def all(self):
        with self._lock:
            return list(self._got)

    def await_exactly(self, want, seconds):
        """Waits for these bodies, and a little for one too many."""
        eventually(seconds, f"these come: {sorted(want)}", lambda: len(self.all()) >= len(want))
        time.sleep(0.5)
        same(bodies_of(self.all()), sorted(want), "received bodies")


def in_order(messages):
    """Bodies such as a-0001 must have come in order for every letter."""
    last = {}
    for body in map(body_of, messages):
        key = body.partition("-")[0]
        if body <= last.get(key, ""):
            raise AssertionError(f"{body} came behind {last[key]}")
        last[key] = body


def refused(call, status=""):
    """The call must fail, with this status if the server said so."""
    try:
        call()
    except Exception as e:
        if status not in str(e):
            raise AssertionError(f"{e!r}, want {status}") from e
        return
    raise AssertionError(f"was accepted, want refusal {status}")


def send_receive_ack(c):
    p = producer(c, c.topic)
    ids = {}
    for i in range(10):
        m = message(c.topic, f"body-{i}", tag="tag", keys=f"key-{i}")
        m.keys = "all"
        m.add_property("colour", "green")
        ids[f"body-{i}"] = p.send(m).message_id
    consumer = simple(c)
    for m in receive_exactly(consumer, list(ids)):
        body = body_of(m)
        same(m.message_id, ids[body], f"id of {body}")
        same(m.topic, c.topic, "topic")
        same(m.tag, "tag", "tag")
        same(set(m.keys), {f"key-{body[5:]}", "all"}, "keys")
        same(m.properties.get("colour"), "green", "property")
        same(m.delivery_attempt, 1, "delivery attempt")
    same(bodies_of(receive(consumer)), [], "what came after it was acknowledged")


def change_invisible(c):
    """Out of sight for shorter and for longer."""
    p = producer(c, c.topic)
    consumer = simple(c)
    p.send(message(c.topic, "again"))
    m = one(consumer, 30)
    same(m.delivery_attempt, 1, "first delivery attempt")
    begin = time.monotonic()
    consumer.change_invisible_duration(m, 1)
    again = one(consumer)
    c.note(f"hidden for 1 s, again after {time.monotonic() - begin:.3f} s")
    same(again.message_id, m.message_id, "id")
    same(again.delivery_attempt, 2, "second delivery attempt")
    consumer.change_invisible_duration(again, 40)
    same(bodies_of(receive(consumer)), [], "what came while it was out of sight")
    consumer.ack(again)


def simple_dead_letter(c):
    producer(c, c.topic).send(message(c.topic, "poison"))
    consumer = simple(c)
    for attempt in (1, 2):
        m = one(consumer)
        same(m.delivery_attempt, attempt, "delivery attempt")
        consumer.change_invisible_duration(m, 1)
    same(bodies_of(receive(consumer, 1)), [], "what came after the last attempt")
    c.ask("look")


def long_poll_wakes(c):
    """A receive that waits must return as soon as a message is there."""
    p = producer(c, c.topic)
    consumer = simple(c)
    receiver = ThreadPoolExecutor(max_workers=1)
    slowest = 0
    for i in range(5):
        waiting = receiver.submit(receive, consumer, 1)
        time.sleep(0.7)  # until it waits
        if waiting.done():
            raise AssertionError(f"did not wait: {waiting.exception() or bodies_of(waiting.result())}")
        begin = time.monotonic()
        p.send(message(c.topic, f"wake-{i}"))
        got = waiting.result(timeout=20)
        slowest = max(slowest, time.monotonic() - begin)
        same(bodies_of(got), [f"wake-{i}"], "what woke it")
        consumer.ack(got[0])
    c.note(f"slowest of 5: {slowest:.3f} s")
    if slowest > 4:
        raise AssertionError(f"a waiting consumer got its message after {slowest} s")


def tag_filter(c):
    p = producer(c, c.topic)
    want = []
    for i in range(16):
        tag = "Tag" + "ABCD"[i % 4]
        p.send(message(c.topic, f"{tag}-{i}", tag=tag))
        if i % 2 == 0:
            want.append(f"{tag}-{i}")
    receive_exactly(simple(c, FilterExpression("TagA || TagC")), want)


def sql_filter(c):
    p = producer(c, c.topic)
    want = []
    for i in range(20):
        m = message(c.topic, f"number-{i}")
        m.add_property("n", str(i))
        m.add_property("colour", ("red", "blue")[i % 2])
        p.send(m)
        if i >= 10 and i % 2 == 0:
            want.append(f"number-{i}")
    receive_exactly(simple(c, FilterExpression("n >= 10 AND colour = 'red'", FilterType.SQL)), want)


def priority(c):
    """The highest first, whatever was sent first."""
    p = producer(c, c.topic)
    for i in range(4):
        p.send(message(c.topic, f"priority-{i}", priority=i))
    time.sleep(0.5)  # the original shows a message to readers a moment after it has acknowledged it
    consumer = simple(c)
    got = []
    for _ in range(4):
        m = one(consumer)
        got.append(body_of(m))
        consumer.ack(m)
    same(got, ["priority-3", "priority-2", "priority-1", "priority-0"], "order")


def pushed(c):
    inbox = Inbox()
    p = producer(c, c.topic)
    bodies = send_many(c, p, "early", 10)
    push(c, inbox.take)
    bodies += send_many(c, p, "late", 10)
    inbox.await_exactly(bodies, 30)


def send_groups(c, groups, each):
    """Sends bodies such as a-0001 in message groups named as their first letter."""
    p = producer(c, c.topic)
    bodies = [f"{group}-{i:04d}" for i in range(each) for group in groups]
    for body in bodies:
        p.send(message(c.topic, body, message_group=body[0]))
    return bodies


def fifo(c):
    bodies = send_groups(c, "abc", 8)
    inbox = Inbox()
    push(c, inbox.take)
    inbox.await_exactly(bodies, 60)
    in_order(inbox.all())
    for m in inbox.all():
        same(m.message_group, body_of(m)[0], "message group")


def fifo_dead_letter(c):
    """What cannot be consumed is set aside after two attempts, and what is behind it comes in order."""
    bodies = send_groups(c, "ab", 3)
    bad, inbox = Inbox(), Inbox()

    def consume(m):
        if body_of(m) == "a-0000":
            bad.take(m)
            return ConsumeResult.FAILURE
        return inbox.take(m)

    push(c, consume)
    inbox.await_exactly([b for b in bodies if b != "a-0000"], 60)
    in_order(inbox.all())
    eventually(20, "two attempts", lambda: len(bad.all()) >= 2)
    c.ask("look")
    same(len(bad.all()), 2, "attempts")


def retry_to_dead_letter(c):
    producer(c, c.topic).send(message(c.topic, "poison"))
    bad = Inbox()

    def consume(m):
        bad.take(m)
        return ConsumeResult.FAILURE

    push(c, consume)
    eventually(60, "three attempts", lambda: len(bad.all()) >= 3)
    c.ask("look")
    same([m.delivery_attempt for m in bad.all()], [1, 2, 3], "delivery attempts")


def delay(c):
    """The original counts in seconds and may be one early or some late; this client sends whole seconds."""
    came = {}
    inbox = Inbox()

    def consume(m):
        came[body_of(m)] = time.time()
        return inbox.take(m)

    push(c, consume)
    p = producer(c, c.topic)
    now = int(time.time())
    due = {f"after-{seconds}": now + seconds for seconds in (7, 4)}
    for body, at in due.items():
        p.send(message(c.topic, body, delivery_timestamp=at))
    inbox.await_exactly(list(due), 40)
    for body, at in due.items():
        late = came[body] - at
        c.note(f"{body} came {late:.3f} s behind its time")
        if not -1.1 < late < 6:
            raise AssertionError(f"{body} came {late} s behind its time")


def delay_recall(c):
    inbox = Inbox()
    push(c, inbox.take)
    p = producer(c, c.topic)
    at = int(time.time()) + 6
    recalled = p.send(message(c.topic, "recalled", delivery_timestamp=at))
    kept = p.send(message(c.topic, "kept", delivery_timestamp=at + 1))
    same(p.recall_message(c.topic, recalled.recall_handle), recalled.message_id, "id")
    inbox.await_exactly(["kept"], 30)
    refused(lambda: p.recall_message(c.topic, kept.recall_handle), "50001")


class Checker(TransactionChecker):
    """Says what it is told to, and remembers what it was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = set()

    def check(self, message):
        self.asked.add(body_of(message))
        return self.answers[body_of(message)]


def transaction(c):
    p = producer(c, c.topic, checker=Checker({}))
    inbox = Inbox()
    push(c, inbox.take)
    yes, no = p.begin_transaction(), p.begin_transaction()
    sent = p.send(message(c.topic, "yes"), yes)
    p.send(message(c.topic, "no"), no)
    time.sleep(0.5)
    same(inbox.all(), [], "messages before the commit")
    yes.commit()
    no.rollback()
    inbox.await_exactly(["yes"], 30)
    same(inbox.all()[0].message_id, sent.message_id, "id")


def transaction_check(c):
    """Transactions that are left open are asked for."""
    checker = Checker({"yes": TransactionResolution.COMMIT, "no": TransactionResolution.ROLLBACK})
    p = producer(c, c.topic, checker=checker)
    inbox = Inbox()
    push(c, inbox.take)
    for body in ("yes", "no"):
        p.send(message(c.topic, body), p.begin_transaction())
    eventually(40, "both are asked for", lambda: checker.asked == {"yes", "no"})
    inbox.await_exactly(["yes"], 20)


def lite(c):
    """Messages come from the lite topics that are wanted, in order in each, and once more if one fails."""
    p = producer(c, c.topic)
    for i in range(3):
        for name in "ab":
            p.send(message(c.topic, f"{name}-{i:04d}", lite_topic=name))
    inbox, failed = Inbox(), Inbox()

    class Listener(MessageListener):
        def consume(self, m):
            if body_of(m) == "a-0001" and not failed.all():
                failed.take(m)
                return ConsumeResult.FAILURE
            return inbox.take(m)

    consumer = started(c, LitePushConsumer(configuration(c), c.group, c.topic, Listener(), consumption_thread_count=4))
    consumer.subscribe_lite("a")
    want = ["a-0000", "a-0001", "a-0002"]
    inbox.await_exactly(want, 60)
    for m in inbox.all():
        same(m.lite_topic, "a", "lite topic")
    consumer.unsubscribe_lite("a")
    p.send(message(c.topic, "a-0003", lite_topic="a"))
    consumer.subscribe_lite("c")
    p.send(message(c.topic, "c-0003", lite_topic="c"))
    inbox.await_exactly(want + ["c-0003"], 30)


def type_refused(c):
    """The client looks at what the route says a topic takes, so the server's own check is not reached."""
    p = producer(c, c.topic, c.topic + "_DELAY", c.topic + "_NORMAL")
    refused(lambda: p.send(message(c.topic, "normal")))
    refused(lambda: p.send(message(c.topic + "_DELAY", "normal")))
    refused(lambda: p.send(message(c.topic + "_NORMAL", "ordered", message_group="a")))
    p.send(message(c.topic + "_NORMAL", "normal"))
    p.send(message(c.topic, "ordered", message_group="a"))


def missing_topic(c):
    """The client keeps the server's status to its log."""
    refused(lambda: producer(c, c.topic + "_NORMAL").send(message(c.topic, "x")), "failed to fetch topic")


SCENARIOS = {f.__name__: f for f in (
    send_receive_ack, change_invisible, simple_dead_letter, long_poll_wakes, tag_filter, sql_filter, priority,
    fifo, fifo_dead_letter, retry_to_dead_letter,
    delay, delay_recall, transaction, transaction_check, lite, type_refused, missing_topic)}
SCENARIOS["push"] = SCENARIOS["tls"] = pushed

if __name__ == "__main__":
    main(SCENARIOS, sys.argv[1:])
