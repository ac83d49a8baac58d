package load;

import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends as fast as the messages in flight allow. The client puts together what waits. */
final class Produce {
  private final Load load;
  private final Meter meter;
  private final AtomicLong issued = new AtomicLong();

  Produce(Load load) {
    this.load = load;
    this.meter = new Meter(load);
  }

  static KafkaProducer<byte[], byte[]> producer(Load load, String linger) {
    Properties p = load.client();
    p.put(ProducerConfig.ACKS_CONFIG, "1");
    p.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "false");
    if (linger != null) {
      p.put(ProducerConfig.LINGER_MS_CONFIG, linger);
    }
    return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
  }

  Meter run() throws Exception {
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < load.number("connections", 4); i++) {
      Thread t = new Thread(this::send);
      t.start();
      threads.add(t);
    }
    for (Thread t : threads) {
      t.join();
    }
    return meter;
  }

  private void send() {
    int inFlight = (int) load.number("in-flight", 128);
    long count = load.number("count", 0);
    byte[] body = new byte[(int) load.number("size", 1024)];
    Semaphore slots = new Semaphore(inFlight);
    try (KafkaProducer<byte[], byte[]> producer = producer(load, null)) {
      while (!meter.over() && (count == 0 || issued.incrementAndGet() <= count)) {
        slots.acquireUninterruptibly();
        long from = System.nanoTime();
        producer.send(new ProducerRecord<>(load.topic(), body), (where, e) -> {
          slots.release();
          if (e != null) {
            meter.failed(e);
          } else {
            meter.took(System.nanoTime() - from, 1, body.length);
          }
        });
      }
      producer.flush();
    }
  }
}
