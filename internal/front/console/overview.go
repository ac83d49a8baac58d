package console

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/wire"
)

func overviewRoutes() []route {
	return []route{
		{method: "GET", path: "/overview", action: actGet, resource: anyCluster, what: "clusters, brokers and name servers, and how they do", serve: getOverview},
		{method: "GET", path: "/brokers/{addr}/status", action: actGet, resource: anyCluster, what: "everything that a broker says about itself", serve: getBrokerStatus},
		{method: "POST", path: "/brokers/{name}/write-permission", action: actUpdate, resource: anyCluster, what: "let producers use a broker, or turn them to others", serve: setWritePermission},
		{method: "POST", path: "/brokers/{addr}/clean", action: actUpdate, resource: anyCluster, what: "remove at once what a broker need not keep", serve: cleanBroker},
	}
}

// A brokerTable is how the servers of a site were at a time. It is never changed.
type brokerTable struct {
	at       time.Time
	brokers  []brokerView
	namesrvs []namesrvView
	problems []string
}

// missed is how often in a row a broker did not answer.
func (t *brokerTable) missed(addr string) int {
	if t != nil {
		for i := range t.brokers {
			if t.brokers[i].Addr == addr {
				return t.brokers[i].missed
			}
		}
	}
	return 0
}

// A brokerView is one broker in the overview. Pointers are nil where a broker
// does not say.
type brokerView struct {
	Cluster       string   `json:"cluster"`
	Name          string   `json:"name"`
	ID            int64    `json:"id"`
	Role          string   `json:"role"`
	Addr          string   `json:"addr"`
	Version       string   `json:"version"`
	Product       string   `json:"product"`
	Started       string   `json:"started,omitempty"`
	Up            bool     `json:"up"`
	Error         string   `json:"error"`
	InTPS         float64  `json:"in_tps"`
	OutTPS        float64  `json:"out_tps"`
	InToday       int64    `json:"in_today"`
	OutToday      int64    `json:"out_today"`
	InYesterday   int64    `json:"in_yesterday"`
	OutYesterday  int64    `json:"out_yesterday"`
	InTotal       int64    `json:"in_total"`
	OutTotal      int64    `json:"out_total"`
	DiskUsed      *float64 `json:"disk_used,omitempty"`
	DiskTotal     *int64   `json:"disk_total_bytes,omitempty"`
	DiskFree      *int64   `json:"disk_free_bytes,omitempty"`
	Memory        *int64   `json:"memory_bytes,omitempty"`
	Connections   *int64   `json:"connections,omitempty"`
	OldestMessage string   `json:"oldest_message,omitempty"`
	LogBytes      int64    `json:"log_bytes"`

	missed int // how often in a row it did not answer at all
}

type namesrvView struct {
	Addr  string `json:"addr"`
	Up    bool   `json:"up"`
	Error string `json:"error"`
}

// A clusterView sums up the masters of a cluster.
type clusterView struct {
	Name     string  `json:"name"`
	Masters  int     `json:"masters"`
	InTPS    float64 `json:"in_tps"`
	OutTPS   float64 `json:"out_tps"`
	InToday  int64   `json:"in_today"`
	OutToday int64   `json:"out_today"`
}

// runtimeTable reads the keys of RocketMQ's table. What is missing or cannot
// be read is zero, or not ok.
type runtimeTable map[string]string

func (t runtimeTable) whole(key string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(t[key]), 10, 64)
	return n, err == nil
}

func (t runtimeTable) number(key string) int64 {
	n, _ := t.whole(key)
	return n
}

// rate is the first of the rates of a key: over the last ten seconds.
func (t runtimeTable) rate(key string) float64 {
	first, _, _ := strings.Cut(strings.TrimSpace(t[key]), " ")
	f, err := strconv.ParseFloat(first, 64)
	if err != nil || f < 0 {
		return 0
	}
	return f
}

func (t runtimeTable) pointer(key string) *int64 {
	if n, ok := t.whole(key); ok {
		return &n
	}
	return nil
}

// view is a broker as its table describes it.
func (t runtimeTable) view(b admin.Broker) brokerView {
	v := brokerView{
		Cluster: b.Cluster, Name: b.Name, ID: b.ID, Role: "slave", Addr: b.Addr, Up: true,
		Version: t["brokerVersionDesc"], Started: stampMillis(t.number("bootTimestamp")),
		InTPS: t.rate("putTps"), OutTPS: t.rate("getTransferredTps"),
		InTotal: t.number("msgPutTotalTodayNow"), OutTotal: t.number("msgGetTotalTodayNow"),
		Memory: t.pointer("memoryBytes"), Connections: t.pointer("connections"),
		OldestMessage: stampMillis(t.number("earliestMessageTimeStamp")),
		LogBytes:      t.number("commitLogMaxOffset") - max(0, t.number("commitLogMinOffset")), // -1 while RocketMQ has no message,
	}
	if b.ID == 0 {
		v.Role = "master"
	}
	if product := t["goddardVersion"]; product != "" {
		v.Product = strings.TrimSpace("goddard " + strings.TrimPrefix(product, "goddard"))
	}
	in, out := t.number("msgPutTotalTodayMorning"), t.number("msgGetTotalTodayMorning")
	v.InToday, v.OutToday = v.InTotal-in, v.OutTotal-out
	v.InYesterday, v.OutYesterday = in-t.number("msgPutTotalYesterdayMorning"), out-t.number("msgGetTotalYesterdayMorning")
	if used, err := strconv.ParseFloat(t["commitLogDiskRatio"], 64); err == nil && used >= 0 {
		v.DiskUsed = &used
	}
	v.DiskTotal, v.DiskFree = diskSizes(t["commitLogDirCapacity"])
	return v
}

// diskSizes reads a text such as "Total : 97.9 GiB, Free : 60.1 GiB." of a broker.
func diskSizes(text string) (total, free *int64) {
	left, right, ok := strings.Cut(strings.TrimSuffix(text, "."), ",")
	if !ok {
		return nil, nil
	}
	return diskSize(left), diskSize(right)
}

func diskSize(text string) *int64 {
	_, size, _ := strings.Cut(text, ":")
	number, unit, _ := strings.Cut(strings.TrimSpace(size), " ")
	f, err := strconv.ParseFloat(number, 64)
	power := strings.Index("BKMGTPE", strings.ToUpper(unit[:min(1, len(unit))]))
	if err != nil || f < 0 || power < 0 || unit == "" {
		return nil
	}
	n := f
	for range power {
		n *= 1024
	}
	return new(int64(min(n, 1<<62)))
}

// sampleBrokers asks all servers how they are until ctx ends, and writes it in
// the history.
func (w *watched) sampleBrokers(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		w.eyes.Load().sample(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sample asks all servers once, so many at the same time.
func (s *site) sample(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sampleEvery-time.Second)
	defer cancel()
	before := s.brokers.Load()
	t := &brokerTable{at: time.Now(), namesrvs: make([]namesrvView, len(s.namesrvs))}
	var wg sync.WaitGroup
	for i, addr := range s.namesrvs {
		wg.Go(func() { t.namesrvs[i] = s.askNamesrv(ctx, addr) })
	}
	brokers, err := s.admin.Brokers(ctx)
	if err != nil {
		t.problems = append(t.problems, err.Error())
	}
	t.brokers = make([]brokerView, len(brokers))
	for i, b := range brokers {
		t.brokers[i] = runtimeTable(nil).view(b)
		t.brokers[i].Up, t.brokers[i].Error = false, "there was no time to ask it"
	}
	_ = eachOf(ctx, samplers, len(brokers), func(ctx context.Context, i int) error { // errors are in the views
		status, err := s.admin.BrokerStatus(ctx, brokers[i].Addr)
		t.brokers[i] = runtimeTable(status).view(brokers[i])
		if err != nil {
			_, refused := refusalOf(err)
			t.brokers[i].Up, t.brokers[i].Error = false, err.Error()
			if !refused {
				t.brokers[i].missed = before.missed(brokers[i].Addr) + 1
			}
		}
		return nil
	})
	wg.Wait()
	if ctx.Err() != nil && t.brokers == nil {
		return
	}
	s.brokers.Store(t)
	s.record(ctx, t)
}

// askNamesrv finds out whether a name server answers.
func (s *site) askNamesrv(ctx context.Context, addr string) namesrvView {
	v := namesrvView{Addr: addr, Up: true}
	if err := s.admin.PingNamesrv(ctx, addr); err != nil {
		v.Up, v.Error = false, err.Error()
	}
	return v
}

// clusters sums up brokers by their clusters.
func clusters(brokers []brokerView) []clusterView {
	all := []clusterView{}
	for _, b := range brokers {
		i := slices.IndexFunc(all, func(c clusterView) bool { return c.Name == b.Cluster })
		if i < 0 {
			i, all = len(all), append(all, clusterView{Name: b.Cluster})
		}
		if b.ID != 0 {
			continue
		}
		c := &all[i]
		c.Masters++
		c.InTPS, c.OutTPS, c.InToday, c.OutToday = c.InTPS+b.InTPS, c.OutTPS+b.OutTPS, c.InToday+b.InToday, c.OutToday+b.OutToday
	}
	slices.SortFunc(all, func(a, b clusterView) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// totals are counts over a whole site.
type totalsView struct {
	Topics           int   `json:"topics"`
	Groups           int   `json:"groups"`
	Clients          int   `json:"clients"`
	Producers        int   `json:"producers"`
	Lag              int64 `json:"lag"`
	DeadLetterGroups *int  `json:"dead_letters_groups,omitempty"`
}

// totals counts what is known.
func (w *watched) totals() totalsView {
	var v totalsView
	ids := map[string]bool{}
	w.states.each(func(group string, g *groupState) {
		v.Lag += g.lag
		for _, c := range g.clients {
			ids[c.ID] = true
		}
	})
	v.Clients = len(ids)
	if l := w.lists.Load(); l != nil {
		v.Producers = len(l.producers)
		v.Topics = l.kinds[kindUser]
		for _, row := range l.groups {
			if row.kind == kindUser {
				v.Groups++
			}
		}
	}
	return v
}

func getOverview(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	v := struct {
		AgeMs    int64         `json:"age_ms"`
		Loading  bool          `json:"loading"`
		Problems []string      `json:"problems"`
		Clusters []clusterView `json:"clusters"`
		Brokers  []brokerView  `json:"brokers"`
		Namesrvs []namesrvView `json:"namesrvs"`
		Totals   totalsView    `json:"totals"`
	}{Problems: []string{}, Clusters: []clusterView{}, Brokers: []brokerView{}, Namesrvs: []namesrvView{}, Totals: s.totals()}
	v.Totals.DeadLetterGroups = s.deadWaiting(r.c)
	t := s.brokers.Load()
	if t == nil {
		v.Loading = true
		return v, nil
	}
	v.AgeMs, v.Problems = time.Since(t.at).Milliseconds(), append(v.Problems, t.problems...)
	v.Clusters, v.Brokers, v.Namesrvs = clusters(t.brokers), append(v.Brokers, t.brokers...), append(v.Namesrvs, t.namesrvs...)
	return v, nil
}

// broker is the broker of the site that a part of the path names: its address,
// or the name of a master.
func (r *request) broker(s *site) (admin.Broker, error) {
	brokers, err := s.admin.Brokers(r.Context())
	if err != nil {
		return admin.Broker{}, err
	}
	addr := r.PathValue("addr")
	for _, b := range brokers {
		if b.Addr == addr || b.Name == addr && b.ID == 0 {
			return b, nil
		}
	}
	return admin.Broker{}, noBroker(addr)
}

func noBroker(name string) error {
	return &problem{status: 404, Code: "not_found", Text: "no broker " + shortened(name) + " has registered", Fix: "the overview lists the brokers that have"}
}

func getBrokerStatus(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	b, err := r.broker(s)
	if err != nil {
		return nil, err
	}
	status, err := s.admin.BrokerStatus(r.Context(), b.Addr)
	return map[string]any{"addr": b.Addr, "values": status}, err
}

func setWritePermission(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	var in struct {
		Allowed *bool `json:"allowed"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	if in.Allowed == nil {
		return nil, badRequest("allowed is missing; send true or false")
	}
	change := s.admin.WipeWritePerm
	if *in.Allowed {
		change = s.admin.AddWritePerm
	}
	changed, err := change(r.Context(), r.PathValue("name"))
	return map[string]any{"changed": changed}, err
}

func cleanBroker(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	b, err := r.broker(s)
	if err != nil {
		return nil, err
	}
	var in struct {
		What string `json:"what"`
	}
	if err := r.body(&in); err != nil {
		return nil, err
	}
	what, known := map[string]wire.Code{"log": admin.CleanLog, "indexes": admin.CleanIndexes, "topics": admin.CleanTopics}[in.What]
	if !known {
		return nil, badRequest("what = %.40q; want log, indexes or topics", in.What)
	}
	_, err = s.admin.Clean(r.Context(), admin.Target{Addr: b.Addr}, what)
	return struct{}{}, err
}
