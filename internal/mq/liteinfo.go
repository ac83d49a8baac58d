package mq

import "time"

// LiteFigures are a broker's figures about lite topics.
type LiteFigures struct {
	Lights, MaxLights int64 // light queues, and how many there may be
	Queues            int   // of all kinds, in memory
	Offsets           int   // groups' offsets of topics, in memory
	Subscriptions     int
	Held              int                 // lite topics of which a group has something in hand
	Ready             int                 // clients for which there may be something
	Lifetimes         map[string]int32    // minutes, by parent; below 0 for ever
	Groups            map[string][]string // bound to a parent
}

// A LiteParent is a topic that has lite topics.
type LiteParent struct {
	Topic    string
	Lifetime int32 // minutes; below 0 for ever
	Groups   []string
	Lites    int   // lite topics of it
	Lights   int64 // light queues of all kinds
}

// A LiteTopic is one lite topic.
type LiteTopic struct {
	Min, Max    QueueOffset
	Last        time.Time // of the last message; zero if there is none
	Subscribers []LiteSubscriber
}

// A LiteSubscriber is a client of a group that wants a lite topic; "*" stands for
// the clients of a group that gets all.
type LiteSubscriber struct{ Group, Client string }

// A LiteClient is what a client wants.
type LiteClient struct {
	Known  bool      // whether it wants anything, or did until now
	Seen   time.Time // when it said something
	Count  int
	Queues []string // light queues by their topics, some of them
}

// A LiteLag is how far a group is behind in lite topics.
type LiteLag struct {
	Parent   string
	Behind   int64     // messages
	Earliest time.Time // when the oldest of them was stored; zero if there is none
	// One is set if one lite topic was asked for, there is a message in it, and
	// the group has begun with it.
	One             *LitePlace
	ByCount, ByTime []LiteBehind
}

// A LitePlace is where a group is in a lite topic.
type LitePlace struct {
	End, At QueueOffset
	InHand  int64     // messages from At on that are popped and not acknowledged
	Last    time.Time // when the last message that it is done with was stored
}

// A LiteBehind is a lite topic in which a group is behind.
type LiteBehind struct {
	Lite     string
	Behind   int64
	Earliest time.Time
}
