package scenarios;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.MessageListener;
import org.apache.rocketmq.client.apis.message.MessageView;

/** What a consumer of the gRPC protocol has received. */
final class Letters extends Received<MessageView> {
    Letters() {
        super(Letters::body);
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
}
