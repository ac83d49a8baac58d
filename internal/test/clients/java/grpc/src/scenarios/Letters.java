package scenarios;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.MessageListener;
import org.apache.rocketmq.client.apis.message.MessageView;

/** What a consumer of the gRPC protocol has received, in order. */
final class Letters {
    private final List<MessageView> got = new ArrayList<>();

    synchronized void add(MessageView m) {
        got.add(m);
    }

    synchronized List<MessageView> all() {
        return new ArrayList<>(got);
    }

    /** A listener that takes everything. */
    MessageListener listener() {
        return m -> {
            add(m);
            return ConsumeResult.SUCCESS;
        };
    }

    static String body(MessageView m) {
        return StandardCharsets.UTF_8.decode(m.getBody()).toString();
    }

    /** The bodies of messages, sorted. */
    static List<String> bodies(List<MessageView> messages) {
        return messages.stream().map(Letters::body).sorted().collect(Collectors.toList());
    }

    /** Exactly these bodies must come, and not one too many within a little while. */
    void awaitExactly(Set<String> bodies, int seconds) throws Exception {
        Check.eventually(seconds, "these come: " + bodies, () -> new TreeSet<>(bodies(all())).containsAll(bodies));
        Thread.sleep(500);
        Check.same(bodies(all()), new ArrayList<>(new TreeSet<>(bodies)), "received bodies");
    }

    /** Bodies such as key-0001 must have come in order for every key. */
    static void inOrder(List<MessageView> messages) {
        String[] last = new String[128];
        for (MessageView m : messages) {
            String body = body(m);
            char key = body.charAt(0);
            Check.that(last[key] == null || body.compareTo(last[key]) > 0, "%s came behind %s", body, last[key]);
            last[key] = body;
        }
    }
}
