package console

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

func deadLetterRoutes() []route {
	return []route{
		{method: "GET", path: "/dead-letters", action: actList, resource: anyCluster, what: "the groups that have dead letters", serve: listDeadLetterGroups},
		{method: "GET", path: "/dead-letters/{group}", action: actGet, resource: ofGroup, what: "dead letters of a group", serve: listDeadLetters},
		{method: "GET", path: "/dead-letters/{group}/export", action: actGet, resource: ofGroup, wait: time.Minute, what: "dead letters of a group as JSON lines", serve: exportDeadLetters},
		{method: "GET", path: "/dead-letters/{group}/{id}", action: actGet, resource: ofGroup, what: "one of them", serve: getDeadLetter},
		{method: "POST", path: "/dead-letters/{group}/redrive", action: actUpdate, resource: ofGroup, what: "send them again, or say what that would do", serve: redrive},
		{method: "POST", path: "/dead-letters/{group}/purge", action: actUpdate, resource: ofGroup, what: "mark them as not wanted", serve: purge},
	}
}

// maxExport bounds the dead letters of one download.
const maxExport, usualExport = 100_000, 10_000

// A letterFilter chooses dead letters.
type letterFilter struct {
	Tag        string `json:"tag"`
	Key        string `json:"key"`
	Expression string `json:"expression"`
	Origin     string `json:"origin"`
	Text       string `json:"text"`
	From       string `json:"from"`
	To         string `json:"to"`
	ID         string `json:"id"`
	Handled    bool   `json:"handled"`
}

// filter is f in the words of package admin.
func (f *letterFilter) filter() (admin.DeadLetterFilter, error) {
	out := admin.DeadLetterFilter{Tag: f.Tag, Key: f.Key, Expression: f.Expression, Origin: f.Origin, Text: f.Text, ID: f.ID, Handled: f.Handled}
	var err error
	if out.From, err = moment("from", f.From); err != nil {
		return out, err
	}
	out.To, err = moment("to", f.To)
	return out, err
}

func (r *request) letterFilter() (admin.DeadLetterFilter, error) {
	f := letterFilter{
		Tag: r.text("tag"), Key: r.text("key"), Expression: r.text("expression"), Origin: r.text("origin"), Text: r.text("text"),
		From: r.text("from"), To: r.text("to"), ID: r.text("id"), Handled: r.flag("handled"),
	}
	return f.filter()
}

// A letterView is a dead letter.
type letterView struct {
	ID           string   `json:"id"`
	Group        string   `json:"group"`
	Broker       string   `json:"broker"`
	Queue        int32    `json:"queue"`
	Offset       int64    `json:"offset"`
	UniqueID     string   `json:"unique_id"`
	Origin       string   `json:"origin"`
	OriginID     string   `json:"origin_id"`
	Born         string   `json:"born,omitempty"`
	Died         string   `json:"died,omitempty"`
	Tries        int32    `json:"tries"`
	Tag          string   `json:"tag"`
	Keys         []string `json:"keys"`
	RedrivenFrom string   `json:"redriven_from"`
	State        string   `json:"state"`
	Size         int32    `json:"size"`
	Preview      string   `json:"preview"`
}

func newLetter(l *admin.DeadLetter) letterView {
	return letterView{
		ID: l.ID, Group: l.Group, Broker: l.Broker, Queue: l.Queue, Offset: l.Offset, UniqueID: l.UniqueKey, Origin: l.Origin, OriginID: l.OriginID,
		Born: stamp(l.Born), Died: stamp(l.Died), Tries: l.Tries, Tag: l.Tags, Keys: append([]string{}, strings.Fields(l.Keys)...), RedrivenFrom: l.Redriven,
		State: l.State, Size: l.Record.Size, Preview: previewOf(&l.Record, previewSize),
	}
}

func listDeadLetters(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	f, err := r.letterFilter()
	if err != nil {
		return nil, err
	}
	limit, err := r.number("limit", usualPage, 1, maxPage)
	if err != nil {
		return nil, err
	}
	page, err := s.admin.DeadLetters(r.Context(), r.PathValue("group"), f, r.text("cursor"), limit)
	if err != nil {
		return nil, noLetters(r.PathValue("group"), err)
	}
	v := struct {
		Items  []letterView `json:"items"`
		Cursor string       `json:"cursor,omitempty"`
	}{[]letterView{}, page.Next}
	for _, l := range page.Letters {
		v.Items = append(v.Items, newLetter(l))
	}
	return v, nil
}

// noLetters says that a group has no dead letters, if that is the error.
func noLetters(group string, err error) error {
	if p := problemOf(err); p.status == http.StatusNotFound {
		return &problem{status: p.status, Code: p.Code, Text: "group " + shortened(group) + " has no dead letters", Fix: "the page Dead letters lists the groups that have some"}
	}
	return err
}

func exportDeadLetters(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	f, err := r.letterFilter()
	if err != nil {
		return nil, err
	}
	limit, err := r.number("limit", usualExport, 1, maxExport)
	if err != nil {
		return nil, err
	}
	group := r.PathValue("group")
	out := bufio.NewWriter(&download{r: r, kind: "application/x-ndjson", name: "dead-letters.jsonl"})
	if _, err := s.admin.SaveDeadLetters(r.Context(), group, f, limit, out); err != nil {
		return nil, noLetters(group, err)
	}
	if err := out.Flush(); err != nil {
		return nil, err
	}
	if !r.written { // there was nothing
		r.download("application/x-ndjson", "dead-letters.jsonl")
	}
	return nil, nil
}

// A download begins with its first byte, so that an error before it is answered.
type download struct {
	r          *request
	kind, name string
}

func (d *download) Write(b []byte) (int, error) {
	if !d.r.written {
		d.r.download(d.kind, d.name)
	}
	return d.r.w.Write(b)
}

func getDeadLetter(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	group := r.PathValue("group")
	if _, _, err := mq.ParseOffsetID(r.PathValue("id")); err != nil {
		return nil, badRequest("%.80q is no offset message id; the dead letters of %s list theirs", r.PathValue("id"), group)
	}
	if err := s.ownID(r); err != nil {
		return nil, err
	}
	l, err := s.admin.DeadLetter(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if l.Group != group {
		return nil, &problem{status: http.StatusNotFound, Code: "not_found", Text: "message " + l.ID + " is a dead letter of another group", Fix: "look in the dead letters of " + group}
	}
	v := struct {
		Letter      letterView  `json:"letter"`
		Message     messageView `json:"message"`
		Why         string      `json:"why"`
		Destination string      `json:"destination"`
	}{newLetter(l), newMessage(l.Broker, &l.Record), "", admin.Destination(l, admin.ToRetry)}
	if most, err := s.admin.DeadLetterLimit(r.Context(), l); err == nil {
		v.Why = l.Why(most)
	}
	return v, nil
}

// A letterEdit changes letters on their way; nil leaves a thing as it is.
type letterEdit struct {
	Body       *string            `json:"body"`
	BodyBase64 string             `json:"body_base64"`
	Tag        *string            `json:"tag"`
	Keys       []string           `json:"keys"`
	Properties map[string]*string `json:"properties"`
}

// apply changes a message.
func (e *letterEdit) apply(m *mq.Message) error {
	if e.Body != nil || e.BodyBase64 != "" {
		text := ""
		if e.Body != nil {
			text = *e.Body
		}
		body, err := bodyOf(text, e.BodyBase64)
		if err != nil {
			return err
		}
		m.Body, m.SysFlag = body, m.SysFlag&^(mq.FlagCompressed|mq.FlagCompressType)
	}
	set := func(key, value string) { m.Properties = mq.AppendSettingProperty(nil, m.Properties, key, value) }
	if e.Tag != nil {
		set(mq.PropTags, *e.Tag)
	}
	if e.Keys != nil {
		set(mq.PropKeys, strings.Join(e.Keys, " "))
	}
	for key, value := range e.Properties {
		text := ""
		if value != nil {
			text = *value
		}
		set(key, text)
	}
	return nil
}

// check says what is wrong with an edit before anything is sent.
func (e *letterEdit) check(id string) error {
	if (e.Body != nil || e.BodyBase64 != "") && id == "" {
		return badRequest("the edited body is for one dead letter; name it in filter.id")
	}
	if _, err := bodyOf("", e.BodyBase64); err != nil {
		return err
	}
	texts := map[string]string{}
	for key, value := range e.Properties {
		if key == "" || strings.HasPrefix(key, "GODDARD_") || key == mq.PropUniqueKey {
			return badRequest("property %.60q cannot be edited; it says where the letter comes from", key)
		}
		if value != nil {
			texts[key] = *value
		}
	}
	if e.Tag != nil && *e.Tag != "" {
		texts[mq.PropTags] = *e.Tag
	}
	if len(e.Keys) > 0 {
		texts[mq.PropKeys] = strings.Join(e.Keys, " ")
	}
	for key, value := range texts {
		if !mq.ValidProperty(key, value) {
			return badRequest("property %.60q = %.60q; neither may be empty or hold the characters 1 and 2", key, value)
		}
	}
	return nil
}

func redrive(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Filter letterFilter `json:"filter"`
		To     string       `json:"to"`
		Rate   float64      `json:"rate"`
		Limit  int          `json:"limit"`
		DryRun bool         `json:"dry_run"`
		Edit   *letterEdit  `json:"edit"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if in.Rate < 0 || in.Limit < 0 {
		return nil, badRequest("rate and limit are not negative; 0 is none")
	}
	f, err := in.Filter.filter()
	if err != nil {
		return nil, err
	}
	if err := s.checkLetters(r, f); err != nil {
		return nil, err
	}
	if in.To != admin.ToRetry && in.To != admin.ToOrigin {
		if err := mq.CheckTopic(in.To); err != nil {
			return nil, err
		}
		if err := r.allow(actPub, "Topic:"+in.To); err != nil {
			return nil, err
		}
	}
	run := admin.Redrive{Group: r.PathValue("group"), Filter: f, To: in.To, Rate: in.Rate, Limit: in.Limit, DryRun: in.DryRun}
	caller := r.caller
	allowed := map[string]error{}
	run.Each = func(l *admin.DeadLetter, m *mq.Message) error {
		if in.To == admin.ToOrigin && r.c.o.Access != nil {
			err, asked := allowed[m.Topic]
			if !asked {
				err = r.c.o.Access.Allowed(r.c.ctx, caller, actPub, "Topic:"+m.Topic)
				allowed[m.Topic] = err
			}
			if err != nil {
				return err
			}
		}
		if in.Edit == nil {
			return nil
		}
		return in.Edit.apply(m)
	}
	if in.Edit != nil {
		if err := in.Edit.check(f.ID); err != nil {
			return nil, err
		}
	}
	return r.run(s, "redrive", run.Group, in.DryRun, func(ctx context.Context, s *site, j *job) error {
		run.Progress = j.redriven
		p, err := s.admin.Redrive(ctx, run)
		j.redriven(p)
		return err
	})
}

// checkLetters finds out whether a filter can be used, before a job is begun.
func (s *site) checkLetters(r *request, f admin.DeadLetterFilter) error {
	group := r.PathValue("group")
	if _, err := s.admin.Route(r.Context(), mq.DLQTopic(group)); err != nil {
		return noLetters(group, err)
	}
	if f.ID != "" {
		if _, _, err := mq.ParseOffsetID(f.ID); err != nil {
			return err
		}
	}
	return f.Check()
}

func purge(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Filter letterFilter `json:"filter"`
		Limit  int          `json:"limit"`
		All    bool         `json:"all"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if in.Filter == (letterFilter{}) && !in.All {
		return nil, badRequest("an empty filter chooses every dead letter of the group; send all: true if that is meant")
	}
	if in.Limit < 0 {
		return nil, badRequest("limit is not negative; 0 is none")
	}
	f, err := in.Filter.filter()
	if err != nil {
		return nil, err
	}
	if err := s.checkLetters(r, f); err != nil {
		return nil, err
	}
	group := r.PathValue("group")
	return r.run(s, "purge", group, false, func(ctx context.Context, s *site, j *job) error {
		n, err := s.admin.Purge(ctx, group, f, in.Limit)
		j.purged(n)
		return err
	})
}

// ownID wants an offset message id of the path to name a broker of the site:
// nobody else is asked.
func (s *site) ownID(r *request) error {
	host, _, err := mq.ParseOffsetID(r.PathValue("id"))
	if err != nil {
		return err
	}
	brokers, err := s.admin.Brokers(r.Context())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(brokers, func(b admin.Broker) bool { return b.Addr == host.String() }) {
		return &problem{status: http.StatusNotFound, Code: "not_found", Text: "the id names " + host.String() + ", which is no broker of this site", Fix: "choose the message's site; if it is a unique key, name its topic"}
	}
	return nil
}
