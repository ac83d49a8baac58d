package scenarios;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** What a consumer has received, in the order in which its listener saw it. */
final class Inbox {
    private final List<MessageExt> got = new ArrayList<>();

    synchronized void add(MessageExt m) {
        got.add(m);
        notifyAll();
    }

    synchronized List<MessageExt> all() {
        return new ArrayList<>(got);
    }

    List<String> bodies() {
        return all().stream().map(Inbox::body).collect(Collectors.toList());
    }

    Set<String> distinct() {
        return new TreeSet<>(bodies());
    }

    synchronized int size() {
        return got.size();
    }

    synchronized void clear() {
        got.clear();
    }

    /** A listener that takes everything. */
    MessageListenerConcurrently listener() {
        return (messages, context) -> {
            messages.forEach(this::add);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
    }

    /** Waits until every one of the bodies has come at least once. */
    void await(Set<String> bodies, int seconds) throws InterruptedException {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (true) {
            Set<String> missing = new TreeSet<>(bodies);
            missing.removeAll(distinct());
            if (missing.isEmpty()) {
                return;
            }
            if (System.nanoTime() > end) {
                throw new AssertionError(missing.size() + " of " + bodies.size() + " messages did not come within "
                        + seconds + " s, such as " + missing.iterator().next());
            }
            Thread.sleep(20);
        }
    }

    /** Waits until exactly these bodies have come, and a little for one too many. */
    void awaitExactly(Set<String> bodies, int seconds) throws InterruptedException {
        await(bodies, seconds);
        Thread.sleep(500);
        Check.same(distinct(), new TreeSet<>(bodies), "received bodies");
        Check.same(size(), bodies.size(), "number of deliveries");
    }

    static String body(MessageExt m) {
        return new String(m.getBody(), StandardCharsets.UTF_8);
    }
}
