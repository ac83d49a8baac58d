package load;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads a topic over and over; the partitions are shared among the connections. */
final class Consume {
  private final Load load;
  private final Meter meter;

  Consume(Load load) {
    this.load = load;
    this.meter = new Meter(load);
  }

  static KafkaConsumer<byte[], byte[]> consumer(Load load) {
    Properties p = load.client();
    return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  static List<TopicPartition> partitions(KafkaConsumer<byte[], byte[]> c, String topic) {
    List<TopicPartition> all = new ArrayList<>();
    for (PartitionInfo p : c.partitionsFor(topic)) {
      all.add(new TopicPartition(topic, p.partition()));
    }
    return all;
  }

  Meter run() throws Exception {
    int connections = (int) load.number("connections", 2);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < connections; i++) {
      int share = i;
      Thread t = new Thread(() -> read(share, connections));
      t.start();
      threads.add(t);
    }
    for (Thread t : threads) {
      t.join();
    }
    return meter;
  }

  private void read(int share, int connections) {
    try (KafkaConsumer<byte[], byte[]> c = consumer(load)) {
      List<TopicPartition> mine = new ArrayList<>();
      for (TopicPartition p : partitions(c, load.topic())) {
        if (p.partition() % connections == share) {
          mine.add(p);
        }
      }
      c.assign(mine);
      Map<TopicPartition, Long> ends = new HashMap<>(c.endOffsets(mine));
      ends.values().removeIf(end -> end == 0);
      c.seekToBeginning(mine);
      while (!meter.over() && !ends.isEmpty()) {
        long from = System.nanoTime();
        ConsumerRecords<byte[], byte[]> got = c.poll(Duration.ofMillis(100));
        long bytes = 0;
        for (ConsumerRecord<byte[], byte[]> r : got) {
          bytes += r.value().length;
        }
        meter.took(System.nanoTime() - from, got.count(), bytes);
        for (TopicPartition p : got.partitions()) {
          if (c.position(p) >= ends.getOrDefault(p, Long.MAX_VALUE)) {
            c.seekToBeginning(List.of(p));
          }
        }
      }
    }
  }
}
