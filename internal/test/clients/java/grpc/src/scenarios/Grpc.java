package scenarios;

import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.FilterExpressionType;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.message.MessageBuilder;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/** The gRPC protocol. Its clients cannot make topics, and groups say how often they try and whether in order. */
final class Grpc implements Transport {
    private final Case c;
    private final Dial d;

    Grpc(Case c, Dial d) {
        this.c = c;
        this.d = d;
    }

    @Override
    public Sender sender() throws Exception {
        Producer producer = d.producer(c.topic());
        return (m, verdict) -> m.id = producer.send(message(m)).getMessageId().toString();
    }

    private Message message(Letter m) {
        MessageBuilder out = Dial.message(c.topic(), m.body);
        if (m.tag != null) {
            out.setTag(m.tag);
        }
        if (!m.keys.isEmpty()) {
            out.setKeys(m.keys.toArray(new String[0]));
        }
        if (m.order != null) {
            out.setMessageGroup(m.order);
        }
        if (m.at > 0) {
            out.setDeliveryTimestamp(m.at);
        }
        m.properties.forEach(out::addProperty);
        return out.build();
    }

    @Override
    public Sender sender(Function<Letter, Verdict> check) throws Exception {
        Producer producer = d.producer(m -> resolution(check.apply(letter(m))), c.topic());
        return (m, verdict) -> {
            Transaction t = producer.beginTransaction();
            m.id = producer.send(message(m), t).getMessageId().toString();
            if (verdict == Verdict.COMMIT) {
                t.commit();
            } else if (verdict == Verdict.ROLLBACK) {
                t.rollback();
            }
        };
    }

    private static TransactionResolution resolution(Verdict v) {
        return v == Verdict.OPEN ? TransactionResolution.UNKNOWN : TransactionResolution.valueOf(v.name());
    }

    @Override
    public Member consume(Terms terms, Predicate<Letter> listener) throws Exception {
        FilterExpression filter = terms.sql != null ? new FilterExpression(terms.sql, FilterExpressionType.SQL92) : new FilterExpression(terms.tags);
        return d.push(c.group(), c.topic(), filter, m -> listener.test(letter(m)) ? ConsumeResult.SUCCESS : ConsumeResult.FAILURE)::close;
    }

    private static Letter letter(MessageView m) {
        Letter l = new Letter(Letters.body(m)).tag(m.getTag().orElse(null)).order(m.getMessageGroup().orElse(null));
        l.id = m.getMessageId().toString();
        l.keys = Set.copyOf(m.getKeys());
        l.properties.putAll(m.getProperties());
        l.attempt = m.getDeliveryAttempt();
        l.at = m.getDeliveryTimestamp().orElse(0L);
        return l;
    }
}
