package wire

// MessageGroupList is the answer to GODDARD_LIST_MESSAGE_GROUPS.
type MessageGroupList struct {
	MessageGroups []MessageGroup `json:"messageGroups"`
}

// MessageGroup is one that is parked or does not get on.
type MessageGroup struct {
	InHand       bool   `json:"inHand"`
	MessageGroup string `json:"messageGroup"`
	Offset       int64  `json:"queueOffset"` // of the first message of one that is blocked
	QueueID      int32  `json:"queueId"`
	Since        int64  `json:"since"` // Unix ms
	State        string `json:"state"` // BLOCKED, PARKED, RELEASING
	Tries        int32  `json:"tries"`
	Waiting      int64  `json:"waiting"`
}
