package scenarios;

import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;

/** The remoting protocol. */
final class Remoting implements Transport {
    private final Case c;
    private final String topic;
    private final String group;

    Remoting(Case c) {
        this.c = c;
        this.topic = c.topic();
        this.group = c.group();
    }

    @Override
    public Sender sender() throws Exception {
        DefaultMQProducer producer = c.producer();
        return (m, verdict) -> m.id = m.order == null ? producer.send(message(m)).getMsgId()
                : producer.send(message(m), (queues, x, arg) -> queues.get(Math.floorMod(arg.hashCode(), queues.size())), m.order).getMsgId();
    }

    private Message message(Letter m) {
        Message out = Case.message(topic, m.body);
        if (m.tag != null) {
            out.setTags(m.tag);
        }
        if (!m.keys.isEmpty()) {
            out.setKeys(m.keys);
        }
        if (m.order != null) {
            MessageAccessor.putProperty(out, "__SHARDINGKEY", m.order);
        }
        if (m.at > 0) {
            MessageAccessor.putProperty(out, "TIMER_DELIVER_MS", String.valueOf(m.at)); // the 4.9 client has no setter
        }
        m.properties.forEach(out::putUserProperty);
        return out;
    }

    @Override
    public Sender sender(Function<Letter, Verdict> check) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(c.group("_p"), Case.SIGNED);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message m, Object verdict) {
                return state((Verdict) verdict);
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt m) {
                return state(check.apply(letter(m)));
            }
        });
        c.start(producer);
        return (m, verdict) -> m.id = producer.sendMessageInTransaction(message(m), verdict).getMsgId();
    }

    private static LocalTransactionState state(Verdict v) {
        switch (v) {
            case COMMIT:
                return LocalTransactionState.COMMIT_MESSAGE;
            case ROLLBACK:
                return LocalTransactionState.ROLLBACK_MESSAGE;
            default:
                return LocalTransactionState.UNKNOW;
        }
    }

    @Override
    public Member consume(Terms terms, Predicate<Letter> listener) throws Exception {
        DefaultMQPushConsumer consumer = c.consumer(group);
        consumer.setMaxReconsumeTimes(terms.attempts - 1);
        consumer.setSuspendCurrentQueueTimeMillis(100);
        if (terms.sql != null) {
            consumer.subscribe(topic, MessageSelector.bySql(terms.sql));
        } else {
            consumer.subscribe(topic, terms.tags);
        }
        if (terms.ordered) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) ->
                taken(messages, listener) ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT);
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) ->
                taken(messages, listener) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER);
        }
        consumer.start();
        return () -> {
            Consuming.commit(c, consumer);
            consumer.shutdown();
        };
    }

    /** A batch is of one message unless the scenario says otherwise. */
    private boolean taken(List<MessageExt> messages, Predicate<Letter> listener) {
        Check.same(messages.size(), 1, "messages in a batch");
        Check.same(messages.get(0).getTopic(), topic, "topic that the listener sees");
        return listener.test(letter(messages.get(0)));
    }

    private static Letter letter(MessageExt m) {
        Letter l = new Letter(Inbox.body(m)).tag(m.getTags()).order(m.getProperty("__SHARDINGKEY"));
        l.keys = m.getKeys() == null ? Set.of() : Set.of(m.getKeys().split(" "));
        l.id = m.getMsgId();
        l.attempt = m.getReconsumeTimes() + 1;
        l.at = Long.parseLong(m.getProperties().getOrDefault("TIMER_OUT_MS", "0"));
        l.properties.putAll(m.getProperties());
        return l;
    }
}
