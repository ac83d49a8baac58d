package console

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
)

const (
	// maxJobs bounds the jobs that are remembered, maxRunning those that run.
	maxJobs, maxRunning = 100, 8
)

// States of a job.
const (
	jobRunning = "running"
	jobDone    = "done"
	jobFailed  = "failed"
	jobStopped = "stopped"
)

// A job is work that goes on after its request. Its fields are guarded by jobs.
type job struct {
	of      *jobs
	view    jobView
	stop    context.CancelFunc
	stopped bool
}

// A jobView is a job as answers have it.
type jobView struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"`
	Site        string `json:"site"`
	Target      string `json:"target"`
	User        string `json:"user"`
	State       string `json:"state"`
	DryRun      bool   `json:"dry_run"`
	Started     string `json:"started"`
	Ended       string `json:"ended,omitempty"`
	Sent        int    `json:"sent"`
	Found       int    `json:"found"`
	Busy        int    `json:"busy"`
	Looked      int64  `json:"looked"`
	Of          int64  `json:"of"`
	Purged      int    `json:"purged"`
	LeftSeconds *int64 `json:"left_seconds,omitempty"`
	Error       string `json:"error"`
	Fix         string `json:"fix"`
}

// jobs are those of this process, the newest last.
type jobs struct {
	*sync.Mutex // guards all and what is in it
	all         []*job
}

func newJobs() jobs { return jobs{Mutex: new(sync.Mutex)} }

func jobRoutes() []route {
	return []route{
		{method: "GET", path: "/jobs", what: "work that goes on or has gone on, newest first", serve: listJobs},
		{method: "GET", path: "/jobs/{id}", what: "one job", serve: getJob},
		{method: "DELETE", path: "/jobs/{id}", what: "stop a job; what it has done stays done", serve: stopJob},
	}
}

// redriven writes down how far a redrive is.
func (j *job) redriven(p admin.RedriveProgress) {
	j.of.Lock()
	defer j.of.Unlock()
	v := &j.view
	v.Sent, v.Found, v.Busy, v.Looked, v.Of = p.Sent, p.Found, p.Busy, p.Looked, p.Of
	v.LeftSeconds = nil
	if left, ok := p.Left(); ok {
		v.LeftSeconds = new(int64(left / time.Second))
	}
}

func (j *job) purged(n int) {
	j.of.Lock()
	defer j.of.Unlock()
	j.view.Purged = n
}

// ended writes down how it ended.
func (j *job) ended(err error) {
	j.of.Lock()
	defer j.of.Unlock()
	v := &j.view
	v.Ended, v.State, v.LeftSeconds = stamp(time.Now()), jobDone, nil
	switch {
	case err == nil:
	case j.stopped || errors.Is(err, context.Canceled):
		v.State = jobStopped
	default:
		p := problemOf(err)
		v.State, v.Error, v.Fix = jobFailed, p.Text, p.Fix
	}
}

// run begins a job and answers with it.
func (r *request) run(s *site, kind, target string, dryRun bool, do func(context.Context, *site, *job) error) (any, error) {
	own, err := r.own(s)
	if err != nil {
		return nil, err
	}
	all := &r.c.jobs
	all.Lock()
	defer all.Unlock()
	running := 0
	for _, j := range all.all {
		if j.view.State == jobRunning {
			running++
		}
	}
	if running >= maxRunning {
		return nil, &problem{status: http.StatusTooManyRequests, Code: "too_many", Text: "too many jobs run at the moment", Fix: "wait for one to end, or stop one on the page Dead letters"}
	}
	j := &job{of: all, view: jobView{
		ID: rand.Text()[:12], Kind: kind, Site: s.name, Target: target, User: r.caller.User, State: jobRunning, DryRun: dryRun, Started: stamp(time.Now()),
	}}
	ready := make(chan struct{})
	begun := r.c.start(func(ctx context.Context) {
		<-ready
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		all.Lock()
		j.stop = cancel
		if j.stopped {
			cancel()
		}
		all.Unlock()
		j.ended(do(ctx, own, j))
		if own != s {
			own.close()
		}
	})
	if !begun {
		return nil, &problem{status: http.StatusServiceUnavailable, Code: "unavailable", Text: "the server is stopping", Fix: "try again when it runs"}
	}
	close(ready)
	r.c.o.Log.Info("the console begins a job", "kind", kind, "id", j.view.ID, "target", target, "user", r.caller.User, "dry run", dryRun)
	all.all = append(all.all, j)
	if at := slices.IndexFunc(all.all, func(j *job) bool { return j.view.State != jobRunning }); len(all.all) > maxJobs && at >= 0 {
		all.all = slices.Delete(all.all, at, at+1)
	}
	return withStatus{http.StatusAccepted, j.view}, nil
}

// own is a site for work that may go on after its user has logged out.
func (r *request) own(s *site) (*site, error) {
	if r.session == nil {
		return s, nil
	}
	return s.as(s.who)
}

func listJobs(r *request) (any, error) {
	r.c.jobs.Lock()
	views := []jobView{}
	for _, j := range slices.Backward(r.c.jobs.all) {
		views = append(views, j.view)
	}
	r.c.jobs.Unlock()
	return items{slices.DeleteFunc(views, func(v jobView) bool { return r.allow(actGet, "Group:"+v.Target) != nil })}, nil
}

// job finds the job of the path, if the caller may do action with its group.
func (r *request) job(action string) (*job, error) {
	r.c.jobs.Lock()
	at := slices.IndexFunc(r.c.jobs.all, func(j *job) bool { return j.view.ID == r.PathValue("id") })
	var j *job
	target := ""
	if at >= 0 {
		j = r.c.jobs.all[at]
		target = j.view.Target
	}
	r.c.jobs.Unlock()
	if j == nil {
		return nil, &problem{status: http.StatusNotFound, Code: "not_found", Text: "there is no job " + shortened(r.PathValue("id")), Fix: "the server forgets its jobs when it is started again; the page Dead letters lists those it has"}
	}
	return j, r.allow(action, "Group:"+target)
}

func getJob(r *request) (any, error) {
	j, err := r.job(actGet)
	if err != nil {
		return nil, err
	}
	r.c.jobs.Lock()
	defer r.c.jobs.Unlock()
	return j.view, nil
}

func stopJob(r *request) (any, error) {
	j, err := r.job(actUpdate)
	if err != nil {
		return nil, err
	}
	r.c.jobs.Lock()
	defer r.c.jobs.Unlock()
	if j.view.State == jobRunning {
		j.stopped = true
		if j.stop != nil {
			j.stop()
		}
	}
	return j.view, nil
}
