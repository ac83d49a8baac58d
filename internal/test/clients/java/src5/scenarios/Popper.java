package scenarios;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.impl.ClientRemotingProcessor;
import org.apache.rocketmq.client.impl.mqclient.MQClientAPIExt;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.NotificationRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;

/** Pops by the client library's own calls, which the proxy uses too; one group and one topic. */
final class Popper implements AutoCloseable {
    private static final long TIMEOUT = 20_000;
    private static final int PEEK = 200052;

    final String topic;
    final String group;
    private final String broker;
    private final String addr;
    private final MQClientAPIExt api;

    private int queue = -1;
    private int initMode;
    private boolean order;
    private String attempt;
    private String type = "TAG";
    private String expression = "*";

    Popper(Case c, String topic, String group) throws Exception {
        this.topic = topic;
        this.group = group;
        var admin = c.admin();
        var data = admin.examineTopicRouteInfo(topic).getBrokerDatas().get(0);
        broker = data.getBrokerName();
        addr = data.selectBrokerAddr();
        admin.shutdown();
        api = new MQClientAPIExt(c.client(new ClientConfig()), new NettyClientConfig(), new ClientRemotingProcessor(null), null);
        api.start();
    }

    Popper queue(int id) {
        queue = id;
        return this;
    }

    Popper initMode(int mode) {
        initMode = mode;
        return this;
    }

    Popper inOrder() {
        order = true;
        return this;
    }

    Popper attempt(String id) {
        attempt = id;
        return this;
    }

    Popper filter(String type, String expression) {
        this.type = type;
        this.expression = expression;
        return this;
    }

    /** The answer to one pop, once there is one. */
    CompletableFuture<PopResult> ask(int count, long invisibleMillis, long pollMillis) throws Exception {
        PopMessageRequestHeader h = new PopMessageRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(topic);
        h.setQueueId(queue);
        h.setMaxMsgNums(count);
        h.setInvisibleTime(invisibleMillis);
        h.setPollTime(pollMillis);
        h.setBornTime(System.currentTimeMillis());
        h.setInitMode(initMode);
        h.setExpType(type);
        h.setExp(expression);
        h.setOrder(order);
        h.setAttemptId(attempt);
        return api.popMessageAsync(addr, broker, h, pollMillis + TIMEOUT);
    }

    /** What one pop finds, which may be nothing. */
    List<MessageExt> pop(int count, long invisibleMillis, long pollMillis) throws Exception {
        return found(wait(ask(count, invisibleMillis, pollMillis)));
    }

    static List<MessageExt> found(PopResult r) {
        return r.getPopStatus() == PopStatus.FOUND ? r.getMsgFoundList() : List.of();
    }

    static String receipt(MessageExt m) {
        return m.getProperty("POP_CK");
    }

    /** The topic that a message lies in, which is another one if it was delivered again. */
    private String realTopic(String receipt) {
        return ExtraInfoUtil.getRealTopic(ExtraInfoUtil.split(receipt), topic, group);
    }

    AckStatus ack(String receipt) throws Exception {
        String[] parts = ExtraInfoUtil.split(receipt);
        AckMessageRequestHeader h = new AckMessageRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(realTopic(receipt));
        h.setQueueId(ExtraInfoUtil.getQueueId(parts));
        h.setOffset(ExtraInfoUtil.getQueueOffset(parts));
        h.setExtraInfo(receipt);
        return wait(api.ackMessageAsync(addr, h, TIMEOUT)).getStatus();
    }

    void ackAll(List<MessageExt> messages) throws Exception {
        for (MessageExt m : messages) {
            Check.same(ack(receipt(m)), AckStatus.OK, "acknowledgement of " + receipt(m));
        }
    }

    AckStatus batchAck(List<String> receipts) throws Exception {
        return wait(api.batchAckMessageAsync(addr, topic, group, receipts, TIMEOUT)).getStatus();
    }

    AckResult change(String receipt, long invisibleMillis) throws Exception {
        String[] parts = ExtraInfoUtil.split(receipt);
        ChangeInvisibleTimeRequestHeader h = new ChangeInvisibleTimeRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(realTopic(receipt));
        h.setQueueId(ExtraInfoUtil.getQueueId(parts));
        h.setOffset(ExtraInfoUtil.getQueueOffset(parts));
        h.setExtraInfo(receipt);
        h.setInvisibleTime(invisibleMillis);
        return wait(api.changeInvisibleTimeAsync(addr, broker, h, TIMEOUT));
    }

    CompletableFuture<Boolean> notification(long pollMillis) throws Exception {
        NotificationRequestHeader h = new NotificationRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(topic);
        h.setQueueId(queue);
        h.setPollTime(pollMillis);
        h.setBornTime(System.currentTimeMillis());
        h.setOrder(order);
        return api.notification(addr, h, pollMillis + TIMEOUT);
    }

    /** Asked raw, since the library has no call for it. */
    List<MessageExt> peek(int count) throws Exception {
        Map<String, String> fields = new HashMap<>();
        fields.put("topic", topic);
        fields.put("consumerGroup", group);
        fields.put("queueId", Integer.toString(queue));
        fields.put("maxMsgNums", Integer.toString(count));
        RemotingCommand request = RemotingCommand.createRequestCommand(PEEK, null);
        request.setExtFields(new HashMap<>(fields));
        RemotingCommand answer = wait(api.invoke(addr, request, TIMEOUT));
        if (answer.getCode() == 19) {
            return List.of();
        }
        Check.same(answer.getCode(), 0, "code of the peek");
        return MessageDecoder.decodes(java.nio.ByteBuffer.wrap(answer.getBody()));
    }

    /** Unpacks what the call failed with. */
    static <T> T wait(CompletableFuture<T> f) throws Exception {
        try {
            return f.get(60, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Exception) {
                throw (Exception) e.getCause();
            }
            throw e;
        }
    }

    @Override
    public void close() {
        api.shutdown();
    }
}
