package scenarios;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sending, its results, and what of a message arrives. */
final class Sending {
    private Sending() {}

    static void sync(Case c) throws Exception {
        DefaultMQProducer producer = c.producer();
        List<SendResult> results = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            Message m = Case.message(c.topic(), "sync-" + i); // the topic comes into being by the first send
            SendResult r = producer.send(m);
            checkResult(c, r);
            Check.same(r.getMsgId(), m.getProperty("UNIQ_KEY"), "msgId");
            Check.same(r.getRegionId(), "DefaultRegion", "region");
            results.add(r);
        }
        Check.same(contiguous(results), 4, "number of queues of a topic created by sending");
        c.read(c.topic(), 40);
    }

    static void checkResult(Case c, SendResult r) throws Exception {
        Check.same(r.getSendStatus(), SendStatus.SEND_OK, "status");
        Check.same(r.getMessageQueue().getTopic(), c.topic(), "topic in the result");
        Check.that(r.getMsgId().matches("[0-9A-F]{32}"), "msgId %s", r.getMsgId());
        Check.that(r.getOffsetMsgId().matches("[0-9A-F]{32}"), "offsetMsgId %s", r.getOffsetMsgId());
        Check.that(MessageDecoder.decodeMessageId(r.getOffsetMsgId()).getAddress().toString().contains("127.0.0.1"),
                "offsetMsgId %s does not hold the broker's address", r.getOffsetMsgId());
    }

    /** Offsets of each queue must be 0, 1, 2… with none missing; returns the number of queues. */
    static int contiguous(List<SendResult> results) {
        Map<MessageQueue, List<Long>> offsets = new HashMap<>();
        for (SendResult r : results) {
            offsets.computeIfAbsent(r.getMessageQueue(), q -> new ArrayList<>()).add(r.getQueueOffset());
        }
        offsets.forEach((q, list) -> {
            Collections.sort(list);
            for (int i = 0; i < list.size(); i++) {
                Check.same(list.get(i), (long) i, "offset in " + q);
            }
        });
        return offsets.size();
    }

    static void async(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        DefaultMQProducer producer = c.producer();
        int count = 200;
        List<SendResult> results = Collections.synchronizedList(new ArrayList<>());
        List<Throwable> errors = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch left = new CountDownLatch(count);
        for (int i = 0; i < count; i++) {
            producer.send(Case.message(c.topic(), "async-" + i), new SendCallback() {
                @Override
                public void onSuccess(SendResult r) {
                    results.add(r);
                    left.countDown();
                }

                @Override
                public void onException(Throwable e) {
                    errors.add(e);
                    left.countDown();
                }
            });
        }
        Check.that(left.await(20, TimeUnit.SECONDS), "%d callbacks did not come", left.getCount());
        Check.same(errors, List.of(), "errors");
        for (SendResult r : results) {
            checkResult(c, r);
        }
        contiguous(results);
        Set<String> ids = new TreeSet<>();
        results.forEach(r -> ids.add(r.getOffsetMsgId()));
        Check.same(ids.size(), count, "distinct offset ids");
    }

    static void oneway(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        DefaultMQProducer producer = c.producer();
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < 20; i++) {
            producer.sendOneway(Case.message(c.topic(), "oneway-" + i));
            bodies.add("oneway-" + i);
        }
        Set<String> got = new TreeSet<>();
        c.read(c.topic(), 20).forEach(m -> got.add(Inbox.body(m)));
        Check.same(got, bodies, "bodies");
    }

    static void batch(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        List<Message> batch = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            Message m = Case.message(c.topic(), "batch-" + i);
            m.setKeys("key" + i);
            m.setTags("tag" + i % 2);
            m.putUserProperty("number", String.valueOf(i));
            batch.add(m);
        }
        SendResult first = producer.send(Case.message(c.topic(), "before"));
        SendResult r = producer.send(batch);
        SendResult last = producer.send(Case.message(c.topic(), "behind"));
        Check.same(r.getSendStatus(), SendStatus.SEND_OK, "status");
        Check.same(r.getQueueOffset(), first.getQueueOffset() + 1, "offset of the batch");
        Check.same(last.getQueueOffset(), r.getQueueOffset() + 10, "offset behind the batch");
        String[] ids = r.getMsgId().split(",");
        Check.same(ids.length, 10, "ids in " + r.getMsgId());
        Check.same(r.getOffsetMsgId().split(",").length, 10, "ids in " + r.getOffsetMsgId());
        List<MessageExt> stored = c.read(c.topic(), 12);
        for (int i = 0; i < 10; i++) {
            MessageExt m = stored.get(i + 1);
            Check.same(Inbox.body(m), "batch-" + i, "body");
            Check.same(m.getKeys(), "key" + i, "keys");
            Check.same(m.getTags(), "tag" + i % 2, "tag");
            Check.same(m.getUserProperty("number"), String.valueOf(i), "property");
            Check.same(m.getMsgId(), ids[i], "id");
            Check.same(m.getQueueOffset(), r.getQueueOffset() + i, "offset");
        }
    }

    static void chosenQueue(Case c) throws Exception {
        c.createTopic(c.topic(), 8);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 32; i++) {
            SendResult r = producer.send(Case.message(c.topic(), "queue-" + i), (queues, message, arg) -> {
                Check.same(queues.size(), 8, "queues offered");
                return queues.stream().filter(q -> q.getQueueId() == (int) arg % 8).findFirst().get();
            }, i);
            Check.same(r.getMessageQueue().getQueueId(), i % 8, "queue");
            Check.same(r.getQueueOffset(), (long) (i / 8), "offset");
        }
        for (MessageExt m : c.read(c.topic(), 32)) {
            Check.same(m.getQueueId(), Integer.parseInt(Inbox.body(m).substring(6)) % 8, "queue of " + Inbox.body(m));
        }
    }

    static void properties(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        byte[] body = new byte[256];
        for (int i = 0; i < body.length; i++) {
            body[i] = (byte) i;
        }
        Message sent = new Message(c.topic(), "tag-é", "key1 key2", 7, body, true);
        sent.putUserProperty("plain", "value");
        sent.putUserProperty("unicode", "naïve 漢字 🚀");
        sent.putUserProperty("symbols", "a=b;c:d\t\"e\"");
        sent.setBuyerId("buyer");
        MessageAccessor.putProperty(sent, "__SHARDINGKEY", "shard-1");
        long before = System.currentTimeMillis();
        SendResult r = c.producer().send(sent);
        MessageExt m = c.read(c.topic(), 1).get(0);
        Check.that(java.util.Arrays.equals(m.getBody(), body), "body changed");
        Check.same(m.getTags(), "tag-é", "tag");
        Check.same(m.getKeys(), "key1 key2", "keys");
        Check.same(m.getFlag(), 7, "flag");
        Check.same(m.getUserProperty("plain"), "value", "property");
        Check.same(m.getUserProperty("unicode"), "naïve 漢字 🚀", "property");
        Check.same(m.getUserProperty("symbols"), "a=b;c:d\t\"e\"", "property");
        Check.same(m.getProperty("__SHARDINGKEY"), "shard-1", "sharding key");
        Check.same(m.getBuyerId(), "buyer", "buyer id");
        Check.same(m.isWaitStoreMsgOK(), true, "wait");
        Check.same(m.getTopic(), c.topic(), "topic");
        Check.same(m.getQueueId(), 0, "queue");
        Check.same(m.getQueueOffset(), r.getQueueOffset(), "offset");
        Check.same(m.getMsgId(), r.getMsgId(), "id");
        Check.same(m.getReconsumeTimes(), 0, "tries");
        Check.same(m.getSysFlag(), 0, "system flag");
        Check.same(m.getPreparedTransactionOffset(), 0L, "prepared offset");
        Check.that(m.getBornTimestamp() >= before && m.getStoreTimestamp() >= m.getBornTimestamp(), "times %d %d", m.getBornTimestamp(), m.getStoreTimestamp());
        Check.same(m.getBornHostString(), "127.0.0.1", "born host");
        Check.that(m.getStoreHost().toString().contains("127.0.0.1:"), "store host %s", m.getStoreHost());
        Check.same(MessageDecoder.decodeMessageId(r.getOffsetMsgId()).getOffset(), m.getCommitLogOffset(), "position in the log");
        Check.same(m.getProperty("MSG_REGION"), "DefaultRegion", "region");
        Check.same(m.getProperty("TRACE_ON"), "true", "trace");
        Check.same(m.getProperty("MAX_OFFSET"), "1", "max offset");
        Check.same(m.getProperty("MIN_OFFSET"), "0", "min offset");
    }

    static void view(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        c.send(producer, c.topic(), "other", 3);
        SendResult r = producer.send(Case.message(c.topic(), "the one"));
        MessageExt m = producer.viewMessage(c.topic(), r.getOffsetMsgId());
        Check.same(Inbox.body(m), "the one", "body by offset id");
        Check.same(m.getQueueOffset(), 3L, "offset");
    }

    static void compressed(Case c) throws Exception {
        roundTrip(c, c.producer(), 0x300);
    }

    /** The codec's name is looked up at run time, since the 4.9 client has only zlib. */
    static void compressedWith(Case c, String codec) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(c.group("_p"), Case.SIGNED);
        Class<?> type = Class.forName("org.apache.rocketmq.common.compression.CompressionType");
        DefaultMQProducer.class.getMethod("setCompressType", type).invoke(producer, type.getMethod("of", String.class).invoke(null, codec));
        roundTrip(c, c.start(producer), codec.equals("LZ4") ? 0x100 : 0x200);
    }

    private static void roundTrip(Case c, DefaultMQProducer producer, int codec) throws Exception {
        c.createTopic(c.topic(), 1);
        String text = "It compresses well. ".repeat(50_000); // 1 MB
        producer.send(Case.message(c.topic(), text));
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        inbox.awaitExactly(Set.of(text), 20);
        MessageExt m = inbox.all().get(0);
        Check.same(m.getSysFlag() & 0x700, codec, "codec in the system flag");
        Check.that(m.getStoreSize() < 100_000, "stored in %d bytes, so not compressed", m.getStoreSize());
    }

    static void delayed(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        Message m = new Message(c.topic(), "tag", "later".getBytes(StandardCharsets.UTF_8));
        m.setDelayTimeLevel(7); // two seconds in the tests' settings
        long sent = System.currentTimeMillis();
        c.producer().send(m);
        inbox.awaitExactly(Set.of("later"), 20);
        MessageExt got = inbox.all().get(0);
        long waited = got.getStoreTimestamp() - sent;
        Check.that(waited > 1500 && waited < 8000, "was delivered after %d ms, want some 2000", waited);
        Check.same(got.getTopic(), c.topic(), "topic");
        Check.same(got.getTags(), "tag", "tag");
        Check.same(got.getProperty("REAL_TOPIC"), c.topic(), "REAL_TOPIC");
    }
}
