package load;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Sends at a fixed rate, each message with the time at which it was due, to a consumer that waits. */
final class EndToEnd {
  private final Load load;
  private final CountDownLatch waiting = new CountDownLatch(1);
  private volatile Meter meter;

  EndToEnd(Load load) {
    this.load = load;
  }

  Meter run() throws Exception {
    Thread taker = new Thread(this::take);
    taker.start();
    waiting.await();
    meter = new Meter(load);
    int size = (int) load.number("size", 1024);
    long every = 1_000_000_000L / load.number("rate", 1000);
    try (KafkaProducer<byte[], byte[]> producer = Produce.producer(load, "0")) {
      for (long due = System.nanoTime(); !meter.over(); due += every) {
        for (long early = due - System.nanoTime(); early > 0; early = due - System.nanoTime()) {
          LockSupport.parkNanos(early);
        }
        byte[] body = new byte[size];
        ByteBuffer.wrap(body).putLong(due);
        producer.send(new ProducerRecord<>(load.topic(), body), (where, e) -> {
          if (e != null) {
            meter.failed(e);
          }
        });
      }
    }
    taker.join();
    return meter;
  }

  private void take() {
    try (KafkaConsumer<byte[], byte[]> c = Consume.consumer(load)) {
      c.assign(Consume.partitions(c, load.topic()));
      c.seekToEnd(c.assignment());
      c.assignment().forEach(c::position); // it is there before anything is sent
      waiting.countDown();
      while (meter == null || !meter.over()) {
        for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(100))) {
          meter.took(System.nanoTime() - ByteBuffer.wrap(r.value()).getLong(), 1, r.value().length);
        }
      }
    }
  }
}
