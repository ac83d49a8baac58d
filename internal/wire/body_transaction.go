package wire

// TransactionList is the answer to GODDARD_LIST_TRANSACTIONS.
type TransactionList struct {
	Transactions []Transaction `json:"transactions"`
}

// Transaction is a half message that is neither committed nor rolled back.
type Transaction struct {
	BornTimestamp  int64  `json:"bornTimestamp"`
	Checks         int32  `json:"checks"`
	GivenUp        bool   `json:"givenUp"`
	Group          string `json:"producerGroup"`
	MsgID          string `json:"msgId"` // offset message id
	Offset         int64  `json:"queueOffset"`
	QueueID        int32  `json:"queueId"`
	Size           int32  `json:"size"`
	StoreTimestamp int64  `json:"storeTimestamp"`
	Topic          string `json:"topic"`
	UniqueKey      string `json:"uniqKey"`
}
