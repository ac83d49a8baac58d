package scenarios;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;

/** Two brokers, not necessarily of one make, that are one cluster to a client. */
final class Mixing {
    private Mixing() {}

    static void cluster(Case c) throws Exception {
        Check.same(Case.brokers(c.admin()).size(), 2, "brokers in the cluster");
        c.createTopic(c.topic(), 4);
        DefaultMQProducer producer = c.producer();
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        Map<String, Integer> sent = new TreeMap<>();
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < 80; i++) {
            String body = String.format("mixed-%02d", i);
            SendResult r = producer.send(Case.message(c.topic(), body));
            sent.merge(r.getMessageQueue().getBrokerName(), 1, Integer::sum);
            bodies.add(body);
        }
        Check.same(sent.size(), 2, "brokers that took messages");
        sent.forEach((broker, n) -> Check.that(n >= 30, "%s took only %d of 80", broker, n));
        inbox.awaitExactly(bodies, 40);
        Set<String> from = new TreeSet<>();
        inbox.all().forEach(m -> from.add(m.getBrokerName()));
        Check.same(from, sent.keySet(), "brokers that messages came from");
        c.note(sent.toString());
    }
}
