// Package admin operates a RocketMQ cluster, ours or Java's: topics, consumer
// groups, offsets, brokers and name servers, each operation one function that
// asks whoever has to be asked. The command line stands on it.
//
// It keeps no state but connections. What an operation needs of several
// brokers it asks of one after the other, in the order of their names, and it
// stops at the first that refuses: its error says which one, and those before
// it have done what was asked. Every operation may be repeated.
package admin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// Options says which cluster to operate.
type Options struct {
	// Namesrvs are the name servers, host:port. At least one is needed.
	Namesrvs []string
	// TLS, if set, is used for every connection.
	TLS *tls.Config
	// Credentials are who operates it; the zero value is nobody.
	Credentials rpc.Credentials
	// Timeout bounds each request. Default 5s.
	Timeout time.Duration
}

// A Cluster is operated through its name servers. It is safe for concurrent use.
type Cluster struct {
	o   Options
	rpc *rpc.Client
}

// Dial prepares a Cluster; connections are made when they are needed.
func Dial(o Options) (*Cluster, error) {
	if len(o.Namesrvs) == 0 {
		return nil, errors.New("no name server; give one with -n host:9876")
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	return &Cluster{o: o, rpc: rpc.NewClient(rpc.ClientOptions{DialTimeout: o.Timeout, TLS: o.TLS, Hook: o.Credentials.Hook()})}, nil
}

// Close ends all connections.
func (c *Cluster) Close() { c.rpc.Close() }

// A RefusedError is an answer that is not SUCCESS.
type RefusedError struct {
	Addr    string
	Request wire.Code
	Code    wire.Code
	Remark  string // what the server says about it
}

// Error says who refused what, and why.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("%s answered %s to %s", e.Addr, e.Code.ResponseString(), e.Request)
	if e.Remark != "" {
		text += ": " + firstLine(e.Remark)
	}
	return text
}

// firstLine cuts off the stack traces that Java servers send along.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// refusedWith reports whether err is an answer with one of codes.
func refusedWith(err error, codes ...wire.Code) bool {
	refused, ok := errors.AsType[*RefusedError](err)
	return ok && slices.Contains(codes, refused.Code)
}

// call sends a request; any answer but SUCCESS is a *RefusedError.
func (c *Cluster) call(ctx context.Context, addr string, cmd *wire.Command) (*wire.Command, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	request := cmd.Code
	resp, err := c.rpc.Call(ctx, addr, cmd)
	if err != nil {
		return nil, fmt.Errorf("%s did not answer %s: %w", addr, request, err)
	}
	if resp.Code != wire.CodeSuccess {
		return nil, &RefusedError{Addr: addr, Request: request, Code: resp.Code, Remark: resp.Remark}
	}
	return resp, nil
}

// ask calls addr and decodes the body of the answer into b, a pointer.
func (c *Cluster) ask(ctx context.Context, addr string, cmd *wire.Command, b any) error {
	request := cmd.Code
	resp, err := c.call(ctx, addr, cmd)
	if err != nil {
		return err
	}
	if err := wire.DecodeBody(resp.Body, b); err != nil {
		return fmt.Errorf("%s answered %s with a body that cannot be read: %w", addr, request, err)
	}
	return nil
}

// askNamesrv calls the first name server that answers.
func (c *Cluster) askNamesrv(ctx context.Context, request func() *wire.Command) (*wire.Command, string, error) {
	var first error
	for _, addr := range c.o.Namesrvs {
		resp, err := c.call(ctx, addr, request())
		if err == nil {
			return resp, addr, nil
		}
		if _, refused := errors.AsType[*RefusedError](err); refused {
			return nil, addr, err
		}
		first = cmp.Or(first, err)
	}
	return nil, "", first
}

// everyNamesrv calls all name servers, for each keeps its own table.
func (c *Cluster) everyNamesrv(ctx context.Context, request func() *wire.Command) error {
	for _, addr := range c.o.Namesrvs {
		if _, err := c.call(ctx, addr, request()); err != nil {
			return err
		}
	}
	return nil
}

// A Broker is one process of a cluster.
type Broker struct {
	Cluster string `json:"cluster"`
	Name    string `json:"name"`
	ID      int64  `json:"id"` // 0 is the master
	Addr    string `json:"addr"`
}

// Brokers lists the processes that the name server knows, by cluster, name and
// id.
func (c *Cluster) Brokers(ctx context.Context) ([]Broker, error) {
	resp, addr, err := c.askNamesrv(ctx, func() *wire.Command { return wire.NewRequest(wire.GetBrokerClusterInfo, nil) })
	if err != nil {
		return nil, err
	}
	var info wire.ClusterInfo
	if err := wire.DecodeBody(resp.Body, &info); err != nil {
		return nil, fmt.Errorf("%s: cluster information cannot be read: %w", addr, err)
	}
	var all []Broker
	for cluster, names := range info.Clusters {
		for _, name := range names {
			for id, addr := range info.Brokers[name].Addrs {
				all = append(all, Broker{Cluster: cluster, Name: name, ID: id, Addr: addr})
			}
		}
	}
	slices.SortFunc(all, func(a, b Broker) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// A Target says which brokers an operation is for: the one at Addr, or the
// masters of Cluster, or, with neither, all masters if they are one cluster.
type Target struct {
	Cluster string
	Addr    string
}

// Masters are the brokers of a target.
func (c *Cluster) Masters(ctx context.Context, t Target) ([]Broker, error) {
	if t.Addr != "" {
		return []Broker{{Cluster: t.Cluster, Addr: t.Addr}}, nil
	}
	all, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	var masters []Broker
	var clusters []string
	for _, b := range all {
		if !slices.Contains(clusters, b.Cluster) {
			clusters = append(clusters, b.Cluster)
		}
		if b.ID == 0 && (t.Cluster == "" || t.Cluster == b.Cluster) {
			masters = append(masters, b)
		}
	}
	switch {
	case len(all) == 0:
		return nil, errors.New("no broker has registered with the name server")
	case t.Cluster == "" && len(clusters) > 1:
		return nil, fmt.Errorf("there are several clusters (%s); choose one with -c", strings.Join(clusters, ", "))
	case len(masters) == 0 && t.Cluster != "" && !slices.Contains(clusters, t.Cluster):
		return nil, fmt.Errorf("there is no cluster %s; the name server knows %s", t.Cluster, strings.Join(clusters, ", "))
	case len(masters) == 0:
		return nil, errors.New("no master is registered")
	}
	return masters, nil
}

// allMasters are the masters of every cluster.
func (c *Cluster) allMasters(ctx context.Context, t Target) ([]Broker, error) {
	if t.Addr != "" || t.Cluster != "" {
		return c.Masters(ctx, t)
	}
	all, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	masters := slices.DeleteFunc(all, func(b Broker) bool { return b.ID != 0 })
	if len(masters) == 0 {
		return nil, errors.New("no broker has registered with the name server")
	}
	return masters, nil
}
