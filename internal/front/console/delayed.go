package console

import (
	"errors"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

func delayedRoutes() []route {
	return []route{
		{method: "GET", path: "/delayed", what: "messages that wait for a time of their own, the first due first", serve: listDelayed},
		{method: "POST", path: "/delayed/recall", what: "call one back", serve: recall},
		{method: "GET", path: "/transactions", action: actList, resource: anyCluster, what: "half messages that are neither committed nor rolled back", serve: listTransactions},
		{method: "POST", path: "/transactions/{id}/commit", action: actUpdate, resource: anyCluster, what: "commit one", serve: commitTransaction},
		{method: "POST", path: "/transactions/{id}/rollback", action: actUpdate, resource: anyCluster, what: "roll one back", serve: rollBackTransaction},
		{method: "POST", path: "/transactions/{id}/check", action: actUpdate, resource: anyCluster, what: "ask its producer again", serve: checkTransaction},
	}
}

// maxWaiting and usualWaiting are how many waiting messages are listed.
const maxWaiting, usualWaiting = 1000, 100

// A delayedView is a message that waits for its time.
type delayedView struct {
	Broker string   `json:"broker"`
	Topic  string   `json:"topic"`
	Queue  int32    `json:"queue"`
	Due    string   `json:"due"`
	Stored string   `json:"stored"`
	ID     string   `json:"id"`
	Keys   []string `json:"keys"`
	Tag    string   `json:"tag"`
	Size   int32    `json:"size"`
	Handle string   `json:"handle"`
}

func listDelayed(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	q := admin.DelayedQuery{Topic: r.text("topic")}
	action, resource := actList, anyCluster
	if q.Topic != "" {
		action, resource = actGet, "Topic:"+q.Topic
	}
	if err := r.allow(action, resource); err != nil {
		return nil, err
	}
	if q.From, err = r.moment("from"); err != nil {
		return nil, err
	}
	if q.Until, err = r.moment("until"); err != nil {
		return nil, err
	}
	limit, err := r.number("limit", usualWaiting, 1, maxWaiting)
	if err != nil {
		return nil, err
	}
	q.Limit = int32(limit)
	found, err := s.admin.Delayed(r.Context(), admin.Target{Cluster: r.text("cluster")}, q)
	if err != nil {
		return nil, err
	}
	all := []delayedView{}
	for _, m := range cut(found, 0, limit) {
		all = append(all, delayedView{m.Broker, m.Topic, m.Queue, stamp(m.Due), stamp(m.Stored), m.ID, append([]string{}, strings.Fields(m.Keys)...), m.Tags, m.Size, m.Handle})
	}
	return items{all}, nil
}

func recall(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Handle string `json:"handle"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	h, err := mq.ParseRecallHandle(in.Handle)
	if err != nil {
		return nil, err
	}
	if err := r.allow(actPub, "Topic:"+h.Topic); err != nil {
		return nil, err
	}
	id, err := s.admin.Recall(r.Context(), in.Handle)
	return map[string]string{"id": id}, err
}

// A transactionView is a half message.
type transactionView struct {
	ID       string `json:"id"`
	UniqueID string `json:"unique_id"`
	Broker   string `json:"broker"`
	Topic    string `json:"topic"`
	Queue    int32  `json:"queue"`
	Group    string `json:"group"`
	Born     string `json:"born,omitempty"`
	Size     int32  `json:"size"`
	Checks   int32  `json:"checks"`
	GivenUp  bool   `json:"given_up"`
}

func listTransactions(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	limit, err := r.number("limit", usualWaiting, 1, maxWaiting)
	if err != nil {
		return nil, err
	}
	found, err := s.admin.Transactions(r.Context(), admin.Target{Cluster: r.text("cluster")}, r.text("topic"), r.text("group"), limit)
	if err != nil {
		return nil, err
	}
	all := []transactionView{}
	for _, t := range found {
		all = append(all, transactionView{t.ID, t.UniqueKey, t.Broker, t.Topic, t.Queue, t.Group, stamp(t.Born), t.Size, t.Checks, t.GivenUp})
	}
	return items{all}, nil
}

func commitTransaction(r *request) (any, error) {
	return r.settle(func(s *site, addr, id string) error { return s.admin.SettleTransaction(r.Context(), addr, id, true) })
}

func rollBackTransaction(r *request) (any, error) {
	return r.settle(func(s *site, addr, id string) error { return s.admin.SettleTransaction(r.Context(), addr, id, false) })
}

func checkTransaction(r *request) (any, error) {
	return r.settle(func(s *site, addr, id string) error { return s.admin.CheckTransaction(r.Context(), addr, id) })
}

// settle ends the transaction of the path, on a broker of the site.
func (r *request) settle(do func(s *site, addr, id string) error) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct{}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if _, _, err := mq.ParseOffsetID(id); err != nil {
		return nil, badRequest("%.80q is no offset message id; the page Half messages lists those there are", id)
	}
	if err := s.ownID(r); err != nil {
		return nil, err
	}
	err = do(s, "", id)
	if errors.Is(err, mq.ErrInvalid) {
		return nil, badRequest("%s", err)
	}
	return struct{}{}, err
}
