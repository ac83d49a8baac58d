package scenarios;

import java.util.HashMap;
import java.util.Map;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * Attributes of topics: what may be set, when, and to what. The client of 4.9.8 does not know them, but these
 * sources are compiled for it too, hence the reflection.
 */
final class Attributes {
    private Attributes() {}

    static void topic(Case c) throws Exception {
        DefaultMQAdminExt admin = c.admin();
        String addr = Case.brokers(admin).get(0);
        Change topic = (changes) -> {
            TopicConfig config = new TopicConfig(c.topic(), 2, 2, 6);
            TopicConfig.class.getMethod("setAttributes", Map.class).invoke(config, map(changes));
            admin.createAndUpdateTopicConfig(addr, config);
        };
        refused(topic, "+color=red");
        refused(topic, "-message.type");
        refused(topic, "+message.type=fifo");
        refused(topic, "+message.type=MIXED");
        refused(topic, "message.type=FIFO");
        topic.apply("+message.type=FIFO", "+queue.type=SimpleCQ");
        shows(admin, addr, c.topic(), "+message.type=FIFO", "+queue.type=SimpleCQ");
        topic.apply();
        shows(admin, addr, c.topic(), "+message.type=FIFO", "+queue.type=SimpleCQ");
        topic.apply("+message.type=PRIORITY");
        refused(topic, "+queue.type=SimpleCQ");
        refused(topic, "-queue.type");
        refused(topic, "+cleanup.policy=DELETE");
        refused(topic, "-lite.topic.expiration");
        refused(topic, "+message.type=DELAY", "+color=red");
        refused(topic, "+reserve.time=soon");
        shows(admin, addr, c.topic(), "+message.type=PRIORITY", "+queue.type=SimpleCQ");
        topic.apply("-message.type");
        shows(admin, addr, c.topic(), "+queue.type=SimpleCQ");
    }

    /** A change of attributes, as mqadmin writes it. */
    private interface Change {
        void apply(String... changes) throws Exception;
    }

    private static Map<String, String> map(String... changes) {
        Map<String, String> all = new HashMap<>();
        for (String change : changes) {
            String[] parts = change.split("=", 2);
            all.put(parts[0], parts.length > 1 ? parts[1] : "");
        }
        return all;
    }

    private static void refused(Change change, String... changes) throws Exception {
        try {
            change.apply(changes);
        } catch (MQClientException | MQBrokerException e) {
            Check.that(e.getMessage() != null && !e.getMessage().isBlank(), "the refusal of %s has no remark", map(changes));
            return;
        }
        throw new AssertionError(map(changes) + " was accepted");
    }

    private static void shows(DefaultMQAdminExt admin, String addr, String topic, String... attributes) throws Exception {
        Map<String, String> want = new HashMap<>();
        map(attributes).forEach((key, value) -> want.put(key.substring(1), value));
        TopicConfig config = admin.examineTopicConfig(addr, topic);
        Check.same(TopicConfig.class.getMethod("getAttributes").invoke(config), want, "attributes");
    }
}
