package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/namesrv"
)

func main() {
	mode := flag.String("mode", "server", "")
	ns := flag.String("n", "127.0.0.1:9876", "")
	n := flag.Int("topics", 5, "")
	port := flag.Int("port", 9876, "")
	listen := flag.String("listen", "127.0.0.1", "")
	local := flag.Bool("local", false, "")
	acting := flag.Bool("acting", false, "")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
	topics := func() ([]mq.Topic, mq.DataVersion) {
		var ts []mq.Topic
		for i := range *n {
			ts = append(ts, mq.Topic{Name: fmt.Sprintf("go-topic-%d", i), ReadQueues: 4, WriteQueues: 4, Perm: 6, FilterType: "SINGLE_TAG"})
		}
		return ts, mq.DataVersion{Timestamp: 77, Counter: int64(*n)}
	}
	if *mode == "server" {
		s, err := namesrv.New(namesrv.Options{Listen: *listen, Port: *port, DropTopics: *acting, KVConfigPath: "/tmp/ns/ourkv.json", Log: log, OrderTopics: true, NotifyMinBrokerID: *acting, ActingMaster: *acting})
		if err != nil {
			panic(err)
		}
		if *local {
			if _, err := s.Local(namesrv.LocalBroker{Cluster: "GoC", Name: "gobroker", Port: 10911, Topics: topics}); err != nil {
				panic(err)
			}
		}
		fmt.Println(s.Run(ctx))
		return
	}
	r, err := namesrv.NewRegistrar(namesrv.RegistrarOptions{NameServers: *ns, Cluster: "GoC", Name: "gobroker", Port: 30911, Topics: topics, Log: log, ActingMaster: *acting})
	if err != nil {
		panic(err)
	}
	usr := make(chan os.Signal, 1)
	signal.Notify(usr, syscall.SIGUSR1)
	go func() {
		for range usr {
			fmt.Println("publish:", r.Publish(ctx, mq.Topic{Name: "published", ReadQueues: 3, WriteQueues: 3, Perm: 6}))
			*n++
			r.Changed()
		}
	}()
	fmt.Println(r.Run(ctx))
}
