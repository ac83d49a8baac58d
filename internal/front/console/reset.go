package console

import (
	"github.com/goddardmq/goddard/internal/admin"
)

// A resetRequest says where a group is to go on.
type resetRequest struct {
	Topic     string `json:"topic"`
	To        string `json:"to"`
	Time      string `json:"time"`
	Offset    *int64 `json:"offset"`
	Broker    string `json:"broker"`
	Queue     *int32 `json:"queue"`
	KeepAhead bool   `json:"keep_ahead"`
	DryRun    bool   `json:"dry_run"`
}

// A moveView is what a reset does with one queue.
type moveView struct {
	Broker string `json:"broker"`
	Queue  int32  `json:"queue"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Change int64  `json:"change"`
}

// A resetView is what a reset did, or would do.
type resetView struct {
	DryRun  bool       `json:"dry_run"`
	Items   []moveView `json:"items"`
	Again   int64      `json:"again"`   // messages that are consumed once more
	Skipped int64      `json:"skipped"` // messages that are not consumed
}

// reset is the request in the words of package admin.
func (in *resetRequest) reset(group string) (admin.Reset, error) {
	reset := admin.Reset{Group: group, Topic: in.Topic, Queue: -1, KeepAhead: in.KeepAhead}
	if in.Topic == "" {
		return reset, badRequest("topic is missing; name the topic in which the group is to be moved")
	}
	if in.Queue != nil && *in.Queue >= 0 {
		reset.Queue = *in.Queue
	}
	switch in.To {
	case "time":
		at, err := moment("time", in.Time)
		if err == nil && at.IsZero() {
			err = badRequest("time is missing; say when")
		}
		reset.At = at
		return reset, err
	case "offset":
		if in.Offset == nil || *in.Offset < 0 || in.Broker == "" || reset.Queue < 0 {
			return reset, badRequest("an offset belongs to one queue; send offset, broker and queue")
		}
		reset.Offset = in.Offset
	case "latest":
		reset.Latest = true
	case "earliest":
	default:
		return reset, badRequest("to = %.40q; want time, offset, latest or earliest", in.To)
	}
	return reset, nil
}

func resetOffsets(r *request) (any, error) {
	var in resetRequest
	if err := r.body(&in); err != nil {
		return nil, err
	}
	return r.move(&in)
}

func skipOffsets(r *request) (any, error) {
	var in struct {
		Topic  string `json:"topic"`
		Broker string `json:"broker"`
		Queue  *int32 `json:"queue"`
		DryRun bool   `json:"dry_run"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	return r.move(&resetRequest{Topic: in.Topic, To: "latest", Broker: in.Broker, Queue: in.Queue, DryRun: in.DryRun})
}

// move moves a group, or says what that would do.
func (r *request) move(in *resetRequest) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	reset, err := in.reset(r.PathValue("group"))
	if err != nil {
		return nil, err
	}
	var on admin.Target
	if in.Broker != "" {
		brokers, err := s.admin.Brokers(r.Context())
		if err != nil {
			return nil, err
		}
		for _, b := range brokers {
			if b.Name == in.Broker && b.ID == 0 {
				on.Addr = b.Addr
			}
		}
		if on.Addr == "" {
			return nil, noBroker(in.Broker)
		}
	}
	// A group that does not exist would be moved all the same.
	if _, err := s.admin.FindGroup(r.Context(), on, reset.Group); err != nil {
		return nil, err
	}
	plan, err := s.admin.PlanReset(r.Context(), on, reset)
	if err != nil {
		return nil, err
	}
	if !in.DryRun {
		moved, err := s.admin.ResetOffsets(r.Context(), on, reset)
		if err != nil {
			return nil, err
		}
		for i := range plan {
			for _, q := range moved {
				if q.Broker == plan[i].Broker && q.Queue == plan[i].Queue {
					plan[i].To = q.Offset
				}
			}
		}
		s.look(r.Context(), reset.Group)
	}
	v := resetView{DryRun: in.DryRun, Items: []moveView{}}
	for _, m := range plan {
		before, after := m.Pending()
		v.Again, v.Skipped = v.Again+max(0, after-before), v.Skipped+max(0, before-after)
		v.Items = append(v.Items, moveView{m.Broker, m.Queue, m.From, m.To, m.To - max(0, m.From)})
	}
	return v, nil
}
