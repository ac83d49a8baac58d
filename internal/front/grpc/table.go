package grpc

import "github.com/goddardmq/goddard/internal/front/grpc/rmq"

// Services, as they stand in front of a call's name.
const (
	messagingService = "/apache.rocketmq.v2.MessagingService/"
	adminService     = "/apache.rocketmq.v2.Admin/"
)

// An operation is a call that is answered with one message.
type operation struct {
	name string
	// refuse is an answer that holds nothing but a status; nil if the answer
	// has no room for one or the call streams.
	refuse func(*rmq.Status) any
	what   string // for docs/GRPC.md
	lack   string // what is missing, likewise
}

// operations is every call there is.
var operations = []operation{
	{messagingService + "QueryRoute", func(s *rmq.Status) any { return &rmq.QueryRouteResponse{Status: s} }, "the queues of a topic and what may be sent to them", ""},
	{messagingService + "Heartbeat", func(s *rmq.Status) any { return &rmq.HeartbeatResponse{Status: s} }, "a client is alive", ""},
	{messagingService + "SendMessage", func(s *rmq.Status) any { return &rmq.SendMessageResponse{Status: s} }, "messages of one topic", ""},
	{messagingService + "QueryAssignment", func(s *rmq.Status) any { return &rmq.QueryAssignmentResponse{Status: s} }, "the queues that a push consumer shall receive from", ""},
	{messagingService + "ReceiveMessage", nil, "messages that nobody of the group has in hand", ""},
	{messagingService + "AckMessage", func(s *rmq.Status) any { return &rmq.AckMessageResponse{Status: s} }, "messages are done with", ""},
	{messagingService + "ForwardMessageToDeadLetterQueue", func(s *rmq.Status) any { return &rmq.ForwardMessageToDeadLetterQueueResponse{Status: s} }, "a message goes to the dead letters", ""},
	{messagingService + "PullMessage", nil, "messages of a queue from an offset on", ""},
	{messagingService + "UpdateOffset", func(s *rmq.Status) any { return &rmq.UpdateOffsetResponse{Status: s} }, "commit an offset", ""},
	{messagingService + "GetOffset", func(s *rmq.Status) any { return &rmq.GetOffsetResponse{Status: s} }, "a group's committed offset", ""},
	{messagingService + "QueryOffset", func(s *rmq.Status) any { return &rmq.QueryOffsetResponse{Status: s} }, "a queue's first or last offset, or that of a time", ""},
	{messagingService + "EndTransaction", func(s *rmq.Status) any { return &rmq.EndTransactionResponse{Status: s} }, "commit or roll back", ""},
	{messagingService + "Telemetry", nil, "settings, and what the server asks of clients", ""},
	{messagingService + "NotifyClientTermination", func(s *rmq.Status) any { return &rmq.NotifyClientTerminationResponse{Status: s} }, "a client leaves", ""},
	{messagingService + "ChangeInvisibleDuration", func(s *rmq.Status) any { return &rmq.ChangeInvisibleDurationResponse{Status: s} }, "a message in hand becomes visible at another time", ""},
	{messagingService + "RecallMessage", func(s *rmq.Status) any { return &rmq.RecallMessageResponse{Status: s} }, "call a delayed message back", ""},
	{messagingService + "SyncLiteSubscription", func(s *rmq.Status) any { return &rmq.SyncLiteSubscriptionResponse{Status: s} }, "which lite topics a client wants", ""},

	{adminService + "ChangeLogLevel", nil, "changes the setting log-level, the least that is logged; TRACE counts as DEBUG", ""},
	{adminService + "DescribeTopicStatus", func(s *rmq.Status) any { return &rmq.DescribeTopicStatusResponse{Status: s} }, "a topic's type and attributes", "description and time of creation, which are not kept"},
	{adminService + "ListSubscription", func(s *rmq.Status) any { return &rmq.ListSubscriptionResponse{Status: s} }, "who wants what", "of groups without a client"},
	{adminService + "DescribeSubscription", func(s *rmq.Status) any { return &rmq.DescribeSubscriptionResponse{Status: s} }, "the same, by client", "of groups without a client"},
	{adminService + "DeleteSubscription", func(s *rmq.Status) any { return &rmq.DeleteSubscriptionResponse{Status: s} }, "forget where a group is in a topic that no client of it wants any more", "the expression is not looked at: it goes with the last client"},
	{adminService + "DescribeGroupAccumulation", func(s *rmq.Status) any { return &rmq.DescribeGroupAccumulationResponse{Status: s} }, "what a group has yet to consume", ""},
	{adminService + "ListConsumerConnection", func(s *rmq.Status) any { return &rmq.ListConsumerConnectionResponse{Status: s} }, "the clients of a group", ""},
	{adminService + "ResetGroupOffset", func(s *rmq.Status) any { return &rmq.ResetGroupOffsetResponse{Status: s} }, "move a group to a time", ""},
	{adminService + "QueryMessage", func(s *rmq.Status) any { return &rmq.ListMessageResponse{Status: s} }, "messages by id, key, tags (subscription), lite topic or time alone", "SQL expressions; more than 100,000 messages to look at where there is no key"},
	{adminService + "PrintThreadStackTrace", func(s *rmq.Status) any { return &rmq.PrintThreadStackTraceResponse{Status: s} }, "what the threads of a client of a group do, of either protocol; asked of the client", ""},
	{adminService + "VerifyMessage", func(s *rmq.Status) any { return &rmq.VerifyMessageResponse{Status: s} }, "a client of a group consumes one message now, of either protocol", ""},
	{adminService + "AdminSendMessage", func(s *rmq.Status) any { return &rmq.AdminSendMessageResponse{Status: s} }, "send one message", ""},
	{adminService + "GetConsumerRunningInfo", func(s *rmq.Status) any { return &rmq.GetConsumerRunningInfoResponse{Status: s} }, "what a consumer of either protocol is doing; asked of it", "numbers of clients of this protocol, which report their threads alone (property threadStackTrace)"},
	{adminService + "GetTopicRoute", func(s *rmq.Status) any { return &rmq.GetTopicRouteResponse{Status: s} }, "a topic's route as name servers tell it", "this broker alone"},
	{adminService + "QueryTimeSpan", func(s *rmq.Status) any { return &rmq.QueryTimeSpanResponse{Status: s} }, "the times between which a group has to consume", ""},
	{adminService + "GetProxyRuntimeStats", func(s *rmq.Status) any { return &rmq.GetProxyRuntimeStatsResponse{Status: s} }, "rates and clients of this listener", ""},
}
