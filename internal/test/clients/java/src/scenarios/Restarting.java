package scenarios;

import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;

/** A broker that is killed, or stopped, and comes back under a producer and a consumer. */
final class Restarting {
    private Restarting() {}

    static void underLoad(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        DefaultMQProducer producer = c.producer();
        producer.setSendMsgTimeout(3000);
        Set<String> acked = new ConcurrentSkipListSet<>();
        AtomicBoolean stop = new AtomicBoolean();
        AtomicInteger failures = new AtomicInteger();
        Thread sender = new Thread(() -> {
            for (int i = 0; !stop.get(); i++) {
                String body = String.format("load-%06d", i);
                try {
                    if (producer.send(Case.message(c.topic(), body)).getSendStatus() == SendStatus.SEND_OK) {
                        acked.add(body);
                    }
                    Thread.sleep(1);
                } catch (Exception e) {
                    failures.incrementAndGet();
                    pause(50);
                }
            }
        });
        sender.start();
        Check.eventually(20, "500 messages acknowledged", () -> acked.size() > 500);
        c.ask("restart", 180);
        long back = System.nanoTime();
        int before = acked.size();
        Check.eventually(60, "500 more acknowledged by the restarted broker", () -> acked.size() > before + 500);
        long sending = System.nanoTime();
        stop.set(true);
        sender.join();
        inbox.await(new TreeSet<>(acked), 60);
        c.note("500 sent after " + (sending - back) / 1_000_000 + " ms, all consumed after "
                + (System.nanoTime() - back) / 1_000_000 + " ms; " + acked.size() + " acknowledged, " + failures.get() + " sends failed, "
                + (inbox.size() - inbox.distinct().size()) + " delivered again");
    }

    private static void pause(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
