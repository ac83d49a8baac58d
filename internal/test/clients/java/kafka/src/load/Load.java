package load;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.TopicExistsException;

/**
 * Puts load on Kafka by Kafka's own client and prints what came of it as one line of JSON, in the form of
 * {@code goddard bench --json}.
 *
 * <pre>
 * Load produce --topic T [--size 1024] [--connections 4] [--in-flight 128] [--count N]
 * Load consume --topic T [--connections 2]      a topic over and over
 * Load e2e     --topic T [--rate 1000]
 * </pre>
 *
 * Producers and consumers keep to their defaults but for acks=1, as nothing is replicated here, and linger.ms=0
 * from end to end, where every message is to go at once.
 */
public final class Load {
  final Map<String, String> flags = new HashMap<>();

  private Load(String[] args) {
    for (int i = 1; i + 1 < args.length; i += 2) {
      flags.put(args[i].replaceFirst("^-+", ""), args[i + 1]);
    }
  }

  public static void main(String[] args) throws Exception {
    if (args.length == 0) {
      throw new IllegalArgumentException("usage: Load produce|consume|e2e [--flag value]");
    }
    Load load = new Load(args);
    load.createTopic();
    Meter meter;
    switch (args[0]) {
      case "produce":
        meter = new Produce(load).run();
        break;
      case "consume":
        meter = new Consume(load).run();
        break;
      case "e2e":
        meter = new EndToEnd(load).run();
        break;
      default:
        throw new IllegalArgumentException("unknown load " + args[0]);
    }
    System.out.println(meter.json(args[0], load.topic()));
  }

  String topic() {
    return flags.getOrDefault("topic", "bench");
  }

  long number(String flag, long otherwise) {
    return Long.parseLong(flags.getOrDefault(flag, Long.toString(otherwise)));
  }

  /** Nanoseconds of a time such as 500ms, 10s, 1m30s or 5m0s. */
  long time(String flag, String otherwise) {
    return Times.parse(flags.getOrDefault(flag, otherwise));
  }

  Properties client() {
    Properties p = new Properties();
    p.put(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG, flags.getOrDefault("server", "127.0.0.1:9092"));
    return p;
  }

  private void createTopic() throws Exception {
    try (Admin admin = Admin.create(client())) {
      admin.createTopics(List.of(new NewTopic(topic(), 4, (short) 1))).all().get();
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof TopicExistsException)) {
        throw e;
      }
    }
  }
}
